"use strict";
(() => {
  const form = document.getElementById("filter");
  addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((each) => { each.open = true; }));
  if (!form) return;
  const rule = document.getElementById("rule");
  const patient = document.getElementById("patient");
  const levels = [...form.querySelectorAll("[name=level]")];
  const count = document.getElementById("count");
  const patients = [...document.querySelectorAll(".patient")];
  const hide = (element, hidden) => element.toggleAttribute("data-hidden", hidden);
  const apply = () => {
    const wanted = new Set(levels.filter((each) => each.checked).map((each) => each.value));
    const words = patient.value.trim().toLowerCase();
    let cards = 0, shown = 0;
    for (const one of patients) {
      const named = !words || one.querySelector("header").textContent.toLowerCase().includes(words);
      let any = false;
      for (const held of one.querySelectorAll(".evaluation")) {
        let some = false;
        for (const card of held.querySelectorAll(".card")) {
          const fits = named && wanted.has(card.dataset.level) && (!rule.value || card.dataset.rule === rule.value);
          hide(card, !fits);
          if (fits) { cards += 1; some = true; }
        }
        hide(held, !some);
        any ||= some;
      }
      hide(one, !any);
      shown += any;
    }
    count.textContent = count.dataset.words.replace("{cards}", cards).replace("{patients}", shown);
  };
  form.hidden = false;
  form.addEventListener("input", apply);
  apply();
})();
