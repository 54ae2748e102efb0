"""How the summary looks, on a screen and on A4 or Letter paper: black on white, so that a copy of a copy is readable."""

STYLE = """
:root{color-scheme:light}
*{box-sizing:border-box}
body{margin:0;background:#fff;color:#1a1a1a;font:16px/1.5 "Source Serif 4",Charter,Georgia,"Liberation Serif",serif}
main{max-width:60rem;margin:0 auto;padding:2rem 1.5rem 4rem}
h1{font-size:1.75rem;line-height:1.2;margin:.25rem 0 .5rem}
h2{font-size:1.2rem;margin:2.25rem 0 .5rem;padding-top:.75rem;border-top:1px solid #767676}
p{margin:.5rem 0;max-width:46rem}
.seal{font-weight:bold;letter-spacing:.02em;border:2px solid #1a1a1a;display:inline-block;padding:.1rem .6rem}
.big{font-size:1.35rem}
.box{border-left:4px solid #1f4e79;background:#f3f6f9;padding:.6rem 1rem;max-width:none}
figure{margin:1rem 0}
figcaption{font-size:.9rem;color:#444}
.bars{width:100%;height:auto;font:12px "Liberation Sans",Arial,sans-serif;print-color-adjust:exact}
.bars rect{fill:#1f4e79}
.bars text{fill:#1a1a1a}
.bars .grid{stroke:#d0d0d0}
.bars .edge{stroke:#8c2f00;stroke-width:1.5;stroke-dasharray:5 3}
table{border-collapse:collapse;margin:1rem 0 1.5rem;font-size:.92rem;min-width:26rem;max-width:100%}
table{font-variant-numeric:tabular-nums}
caption{text-align:left;font-weight:bold;padding:.25rem 0}
th,td{text-align:left;vertical-align:top;padding:.25rem 1.5rem .25rem 0;border-bottom:1px solid #d0d0d0}
th,td{overflow-wrap:break-word}
thead th{border-bottom:1px solid #1a1a1a;overflow-wrap:normal}
th.number,td.number{text-align:right;white-space:nowrap;padding-right:0;padding-left:1.5rem}
code{font-size:.9em;background:#f3f6f9;padding:0 .25em}
@page{margin:18mm 16mm}
@media print{
main{max-width:none;padding:0}
body{font-size:10.5pt}
h2,caption,thead{break-after:avoid}
tr,figure,.box{break-inside:avoid}
thead{display:table-header-group}
}
"""
