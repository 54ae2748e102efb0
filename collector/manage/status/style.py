"""How the page looks: quiet while all is well, unmistakable in trouble; by day and by night, on a telephone and on a wall.

Colour is never alone: every state has a sign of its own shape and a word. Text has a contrast of at least 4.5 to its ground,
shapes that carry meaning 3 (WCAG 2.2, 1.4.3 and 1.4.11): a test computes both from these lines. Figures have equal widths.
"""

SIGN_COLOURS = {"ok": "#1a7f4b", "soon": "#b26a00", "now": "#c0271d"}
"""Of the icon in the browser's tab."""

LIGHT = {
    "ground": "#f5f6f4",
    "card": "#ffffff",
    "ink": "#1b2026",
    "soft": "#586069",
    "line": "#dfe2df",
    "trough": "#e9ebe8",
    "accent": "#1f4e79",
    "recorded": "#1f4e79",
    "suppressed": "#7391b0",
    "rejected": "#8b8f94",
    "dropped": "#c0271d",
    "open": "#b07a00",
    "ok": "#1a7f4b",
    "soon": "#8f5600",
    "now": "#b3231a",
    "soon-ground": "#fff6e5",
    "now-ground": "#b3231a",
    "now-ink": "#ffffff",
}
DARK = {
    "ground": "#0f1317",
    "card": "#171d23",
    "ink": "#e7eaed",
    "soft": "#9ea9b4",
    "line": "#2a323a",
    "trough": "#252d35",
    "accent": "#8cc0ea",
    "recorded": "#74b3e6",
    "suppressed": "#55789b",
    "rejected": "#7d858d",
    "dropped": "#ff6f61",
    "open": "#dba63c",
    "ok": "#5cc78f",
    "soon": "#e9b04f",
    "now": "#ff8578",
    "soon-ground": "#2a2213",
    "now-ground": "#8f1d16",
    "now-ink": "#ffffff",
}


def _colours(palette: dict[str, str]) -> str:
    return "".join(f"--{name}:{colour};" for name, colour in palette.items())


STYLE = (
    f":root{{color-scheme:light dark;{_colours(LIGHT)}}}"
    f"@media(prefers-color-scheme:dark){{:root{{{_colours(DARK)}}}}}"
    """
*{box-sizing:border-box}
html{font-size:clamp(15px,13px + .18vw,21px);-webkit-text-size-adjust:100%}
body{margin:0;background:var(--ground);color:var(--ink);line-height:1.45;font-variant-numeric:tabular-nums;
font-family:Inter,"Segoe UI",system-ui,-apple-system,Roboto,"Helvetica Neue","Liberation Sans",Arial,sans-serif}
header,main,footer{max-width:132rem;margin:0 auto;padding:0 clamp(.8rem,2.5vw,2.5rem)}
h1,h2,h3,p,dl,dd,ol,ul,figure{margin:0;padding:0}
ol,ul{list-style:none}
h2{font-size:1rem;font-weight:600}
small{font-size:.84rem;color:var(--soft)}
code{font-family:ui-monospace,"SF Mono",Menlo,Consolas,"Liberation Mono",monospace;font-size:.9em;overflow-wrap:anywhere}
.unseen{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%);white-space:nowrap}
[hidden]{display:none!important}
:focus-visible{outline:3px solid var(--accent);outline-offset:2px;border-radius:3px}

header{display:flex;flex-wrap:wrap;align-items:baseline;gap:.3rem 1rem;padding-top:1rem;padding-bottom:.8rem;color:var(--soft)}
header .name b{color:var(--ink);font-weight:600}
header .asof{margin-left:auto}
header .asof b{color:var(--ink);font-weight:600}
header button{font:inherit;font-size:.84rem;color:var(--ink);background:none;border:1px solid var(--soft);border-radius:4px;
padding:.15rem .7rem;min-height:1.9rem;cursor:pointer}
header button:hover{background:var(--trough)}
#stale{flex-basis:100%;background:var(--now-ground);color:var(--now-ink);padding:.7rem 1rem;border-radius:6px;font-weight:600}
.noscript{flex-basis:100%;font-size:.84rem}
.stale main{opacity:.55}

main{display:grid;gap:1rem;grid-template-columns:minmax(0,1fr)}
@media(min-width:60rem){main{grid-template-columns:repeat(4,minmax(0,1fr))}main>*{grid-column:span 4}
:is(.hour,.day,.families,.countries).card{grid-column:span 2}}
@media(min-width:100rem){:is(.hour,.day,.families,.countries).card{grid-column:span 1}
:is(.orders,.exports).card,.ok>:is(.verdict,.equation){grid-column:span 2}
.ok>.equation .terms dd{font-size:1.3rem}.ok>.equation .terms div{padding-right:1.1rem}
.machine .tiles{grid-template-columns:repeat(8,minmax(0,1fr))}}
.card,.verdict{background:var(--card);border:1px solid var(--line);border-radius:8px;padding:1.1rem clamp(.9rem,1.6vw,1.5rem);
min-width:0}
.hint,.empty,figcaption{font-size:.84rem;color:var(--soft)}
.card>.hint,.card>.empty{margin-top:.25rem}

.sign{width:1.25em;height:1.25em;flex:none;fill:none;stroke:currentColor;stroke-width:2.4;stroke-linecap:round;
stroke-linejoin:round}
.sign.ok{color:var(--ok)}.sign.soon{color:var(--soon)}.sign.now{color:var(--now)}
.sign .shape{fill:currentColor;stroke-width:1}
.sign path:not(.shape){stroke:var(--card)}
.verdict{display:grid;align-content:center;gap:.9rem 2rem;border-left:6px solid var(--ok)}
.verdict.soon{border-left-color:var(--soon)}
.headline{display:flex;flex-wrap:wrap;align-items:center;gap:.2rem 1.4rem}
h1{display:flex;align-items:center;gap:.55rem;font-size:clamp(1.5rem,1.2rem + 1vw,2.1rem);font-weight:650;letter-spacing:-.01em;
line-height:1.2}
.headline p{color:var(--soft)}
.answers{display:flex;flex-wrap:wrap;gap:.5rem 2.4rem}
.answers li{display:flex;gap:.5rem;align-items:flex-start}
.answers .sign{margin-top:.1em}
.answers b{font-weight:600}
.answers small{display:block}
.answers .no b{color:var(--now)}
.verdict.now{background:var(--now-ground);border-color:var(--now-ground);color:var(--now-ink)}
.verdict.now :is(h1,.headline p,.answers small,.answers b){color:var(--now-ink)}
.verdict.now .answers .no{background:var(--now-ink);border-radius:6px;padding:.1rem .8rem .1rem .5rem;margin:-.1rem 0}
.verdict.now .answers .no :is(b,small){color:var(--now-ground)}
.verdict.now>:is(.headline,.answers) .sign{color:var(--now-ink)}
.verdict.now>:is(.headline,.answers) .sign path:not(.shape){stroke:var(--now-ground)}
.verdict.now>.answers .no .sign{color:var(--now-ground)}
.verdict.now>.answers .no .sign path:not(.shape){stroke:var(--now-ink)}
.concerns{display:grid;gap:.5rem}
.concerns li{display:grid;grid-template-columns:auto minmax(0,1fr);gap:.1rem .8rem;align-items:start;background:var(--card);
color:var(--ink);border:1px solid var(--line);border-radius:6px;padding:.7rem .9rem}
.concerns li.soon{background:var(--soon-ground)}
.concerns .sign{margin-top:.05em}
.concerns li.soon .sign path:not(.shape){stroke:var(--soon-ground)}
.concerns h3{font-size:1rem;font-weight:600}
.concerns p{font-size:.92rem}
.concerns .runbook{grid-column:2;color:var(--soft);font-size:.84rem}
.urgency{font-size:.75rem;font-weight:700;letter-spacing:.05em;text-transform:uppercase;margin-right:.35rem;color:var(--now)}
.soon .urgency{color:var(--soon)}
@media(min-width:72rem){.concerns li{grid-template-columns:auto minmax(0,1fr) auto}
.concerns .runbook{grid-column:3;text-align:right}}

.terms{display:flex;flex-wrap:wrap;gap:.2rem 0;margin:.7rem 0 .6rem}
.terms div{display:flex;flex-direction:column;padding-right:1.6rem}
.terms dd{order:-1;font-size:clamp(1.2rem,1rem + .7vw,1.7rem);font-weight:600;letter-spacing:-.01em}
.terms dd::before{content:"+ ";color:var(--soft);font-weight:400}
.terms .accepted dd::before{content:""}
.terms .recorded dd::before{content:"= "}
.terms dt{font-size:.84rem;color:var(--soft)}
.terms dt::before{content:"";display:inline-block;width:.7em;height:.7em;border-radius:2px;margin-right:.4em;
background:var(--term,transparent)}
.terms .accepted dt::before{display:none}
.terms .none dd{color:var(--soft);font-weight:400}
.terms .dropped:not(.none) :is(dt,dd),.terms .missing :is(dt,dd){color:var(--now)}
.recorded{--term:var(--recorded)}.suppressed{--term:var(--suppressed)}.rejected{--term:var(--rejected)}
.dropped,.missing{--term:var(--dropped)}.open{--term:var(--open)}
.picture{display:block;width:100%}
.picture :is(rect,path){fill:var(--term);stroke:none}
.bar{height:1.5rem;border-radius:4px;background:var(--trough)}
.bar rect{stroke:var(--card);stroke-width:1.5px;vector-effect:non-scaling-stroke}
.equation .hint{margin-top:.5rem}

.series{display:flex;flex-direction:column}
.series .total{font-size:.92rem;color:var(--soft)}
.series .total b{font-size:1.35rem;font-weight:600;color:var(--ink);letter-spacing:-.01em}
.plot{position:relative;margin-top:.9rem;border-bottom:1px solid var(--soft)}
.plot svg{height:clamp(8rem,14vw,13rem)}
.top{position:absolute;top:-.15rem;left:0;font-size:.78rem;line-height:1;color:var(--soft);background:var(--card);padding-right:.3em}
.picture .grid{fill:none;stroke:var(--line);stroke-width:1px;vector-effect:non-scaling-stroke}
.picture .gap{fill:var(--soft);fill-opacity:.4}
.picture .hit rect{fill:transparent}
.picture .hit:hover rect{fill:var(--ink);fill-opacity:.1}
.marks{display:flex;justify-content:space-between;font-size:.78rem;color:var(--soft);padding-top:.2rem}
figcaption{margin-top:.3rem}

.meter{display:block;width:100%;height:.5rem;border-radius:2px}
.trough{fill:var(--trough)}.fill{fill:var(--accent)}
.meter.short .fill{fill:var(--dropped)}
.meter.clock{display:inline-block;width:5rem;margin-right:.4rem;vertical-align:middle}

.scroll{overflow-x:auto}
details{margin-top:.8rem;border-top:1px solid var(--line);padding-top:.5rem}
.series details{margin-top:auto}
.series figure{margin-bottom:.8rem}
summary{cursor:pointer;font-size:.88rem;color:var(--soft);width:max-content}
summary:hover{color:var(--ink)}
details .scroll{max-height:26rem;overflow:auto;margin-top:.4rem}
table{border-collapse:collapse;width:100%;font-size:.92rem;margin-top:.5rem}
caption{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}
th,td{text-align:left;vertical-align:middle;font-weight:400;padding:.42rem 1.2rem .42rem 0;
border-top:1px solid var(--line);white-space:nowrap}
thead th{border-top:0;color:var(--soft);font-size:.84rem}
th.number,td.number{text-align:right}
:is(th,td):last-child{padding-right:0}
td:first-child{font-weight:600}
.records td{white-space:normal}
.records :is(.state,.left){white-space:nowrap}
.records small{font-weight:400}
details td{white-space:normal;padding-top:.22rem;padding-bottom:.22rem}
details td:first-child{font-weight:400}
#fates :is(th,td):last-child{text-align:right}
.ranking td,.ranking th{padding:.26rem .9rem .26rem 0}
.ranking th{max-width:12rem;overflow:hidden;text-overflow:ellipsis}
.ranking .wide{width:70%}
.ranking :is(th,td){border-top:0}
.state{font-weight:600}
.state.in-force{color:var(--ok)}.state.over,.state.to-come{color:var(--soft);font-weight:400}
.state.late{color:var(--now)}
.days{display:inline-flex;gap:.3rem;vertical-align:middle}
.days>span{position:relative;display:flex}
.day-sign{width:1rem;height:1rem;flex:none;fill:currentColor;stroke:currentColor;stroke-width:0;color:var(--ok);vertical-align:-.15em}
.day-sign .ring{fill:none;stroke-width:1.8;stroke-linecap:round}
.day-sign.incomplete{color:var(--soon)}.day-sign:is(.to-come,.none){color:var(--soft)}.day-sign.late{color:var(--now)}
.day-sign.late .ring{stroke-width:3}
.key{display:flex;flex-wrap:wrap;gap:.2rem 1.2rem;margin-top:.6rem}

.tiles{display:grid;gap:1.1rem 2rem;grid-template-columns:repeat(auto-fill,minmax(min(12.5rem,100%),1fr));margin-top:.8rem}
.tiles dt{font-size:.84rem;color:var(--soft)}
.tiles dd b{display:block;font-size:1.15rem;font-weight:600;margin-bottom:.15rem}
.tiles dd small{display:block}
.tiles .meter{margin-bottom:.3rem}
footer{padding-top:1.2rem;padding-bottom:2rem;font-size:.84rem;color:var(--soft);display:grid;gap:.3rem}
@media(max-width:40rem){
.headline{flex-direction:column;align-items:flex-start}
.terms{display:grid}
.terms div{flex-direction:row;justify-content:space-between;align-items:baseline;padding:.15rem 0;
border-top:1px solid var(--line)}
.terms div:first-child{border-top:0}
.terms dd{order:1}
.answers{display:grid}
#fates :is(th,td):nth-child(2){display:none}
.records,.records :is(tbody,tr,td){display:block}
.records thead{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}
.records tr{border-top:1px solid var(--line);padding:.5rem 0}
.records td{display:flex;justify-content:space-between;gap:1rem;border:0;padding:.12rem 0;text-align:right;white-space:normal}
.records td::before{content:attr(data-head);color:var(--soft);font-weight:400;text-align:left}
}
@media(prefers-contrast:more){:root{--soft:var(--ink);--line:var(--soft)}}
@media(forced-colors:active){.picture :is(rect,path),.meter rect{forced-color-adjust:none}}
"""
)
