"""Keeps an open page fresh: takes the page anew, puts its parts in place, and says so when nobody answers.

It touches nothing but this page, keeps open what was opened and focused what was focused, stops while nobody looks or when told
to, and never runs anything that it was sent: what comes is parsed, not executed.
"""

EVERY_SECONDS = 10
STALE_SECONDS = 25
"""Without an answer for this long the page says that it is old."""

SCRIPT = """
"use strict";
(() => {
  const pause = document.getElementById("pause");
  const stale = document.getElementById("stale");
  let heard = Date.now();
  pause.hidden = false;
  pause.addEventListener("click", () => {
    const paused = pause.getAttribute("aria-pressed") !== "true";
    pause.setAttribute("aria-pressed", String(paused));
    pause.textContent = paused ? "Resume" : "Pause";
    if (!paused) look();
  });
  const take = (fresh) => {
    if (fresh.documentElement.dataset.build !== document.documentElement.dataset.build) return location.reload();
    const open = [...document.querySelectorAll("details[open]")].map((part) => part.id);
    const scrolled = [...document.querySelectorAll(".scroll")].map((part) => [part.scrollLeft, part.scrollTop]);
    const focused = document.activeElement && document.activeElement.closest("details");
    for (const id of open) {
      const part = fresh.getElementById(id);
      if (part) part.open = true;
    }
    document.querySelector("main").replaceWith(document.adoptNode(fresh.querySelector("main")));
    document.getElementById("asof").replaceWith(document.adoptNode(fresh.getElementById("asof")));
    stale.replaceChildren(...document.adoptNode(fresh.getElementById("stale")).childNodes);
    document.querySelector("link[rel=icon]").href = fresh.querySelector("link[rel=icon]").href;
    document.title = fresh.title;
    document.querySelectorAll(".scroll").forEach((part, place) => {
      if (scrolled[place]) [part.scrollLeft, part.scrollTop] = scrolled[place];
    });
    if (focused && focused.id) {
      const again = document.querySelector("#" + CSS.escape(focused.id) + " > summary");
      if (again) again.focus({ preventScroll: true });
    }
  };
  const look = async () => {
    if (document.hidden || pause.getAttribute("aria-pressed") === "true") return;
    try {
      const answer = await fetch("/", { cache: "no-store", signal: AbortSignal.timeout(8000) });
      if (!answer.ok) throw new Error();
      take(new DOMParser().parseFromString(await answer.text(), "text/html"));
      heard = Date.now();
    } catch {
      // told below
    }
    const old = Date.now() - heard > STALE * 1000;
    if (stale.hidden === old) stale.hidden = !old;
    document.documentElement.classList.toggle("stale", old);
  };
  setInterval(look, EVERY * 1000);
  document.addEventListener("visibilitychange", look);
})();
""".replace("STALE * 1000", str(STALE_SECONDS * 1000)).replace("EVERY * 1000", str(EVERY_SECONDS * 1000))
