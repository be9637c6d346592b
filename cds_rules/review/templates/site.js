"use strict";
addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((each) => { each.open = true; }));
(() => {
  // "what if" is a plain form; here it answers while a value is being changed
  const form = document.querySelector("form[data-live]");
  const answer = document.getElementById("what-if-answer");
  if (!form || !answer) return;
  let waiting = 0, asked = 0;
  const ask = async (pressed) => {
    const mine = ++asked;
    const query = new URLSearchParams(new FormData(form));
    let told = null;
    try {
      const response = await fetch(`${form.dataset.live}?${query}`, { credentials: "same-origin" });
      if (response.ok && !response.redirected) told = await response.text();
    } catch { /* as without an answer */ }
    if (mine !== asked) return;
    answer.innerHTML = told ?? "";  // signed out, or not reached: the answer to other values must not stay
    if (told === null && pressed) form.submit();
  };
  const later = () => { clearTimeout(waiting); waiting = setTimeout(ask, 300, false); };
  form.addEventListener("input", later);
  form.addEventListener("submit", (event) => { event.preventDefault(); clearTimeout(waiting); ask(true); });
})();
