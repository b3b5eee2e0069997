"use strict";
{
  const form = document.getElementById("controls");
  const grid = document.getElementById("cards");
  const {words, which, key, order} = form.elements;
  const cards = [...grid.children].map((element, place) => ({
    element,
    place,
    name: element.dataset.name,
    // Numbers that are not defined are not there, and come last in either order.
    numbers: Object.fromEntries([...element.querySelectorAll("dd")]
      .map(cell => [cell.dataset.name, cell.dataset.value === "inf" ? Infinity : Number(cell.dataset.value)])),
  }));
  const compare = (a, b) => {
    const sign = Number(order.value);
    if (!key.value) return sign * (a.place - b.place);
    if (key.value === "name") return sign * a.name.localeCompare(b.name, "en", {numeric: true});
    const [x, y] = [a.numbers[key.value], b.numbers[key.value]];
    if (x === undefined || y === undefined) return (x === undefined) - (y === undefined) || a.place - b.place;
    return x === y ? a.place - b.place : sign * (x < y ? -1 : 1);
  };
  const show = () => {
    const wanted = words.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const card of cards) {
      const match = (!which.value || Number(card.element.dataset[which.value]) > 0)
        && wanted.every(word => card.name.toLowerCase().includes(word));
      card.element.hidden = !match;
      shown += match;
    }
    grid.append(...[...cards].sort(compare).map(card => card.element));
    form.querySelector("output").textContent = `${shown} of ${cards.length}`;
  };
  form.hidden = false;
  form.addEventListener("input", show);
  form.addEventListener("submit", event => event.preventDefault());
  show();
}
