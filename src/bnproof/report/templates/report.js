"use strict";
{
  const all = (query, inside = document) => [...inside.querySelectorAll(query)];
  const form = document.getElementById("filter-form");
  const {words, source, verdict, kind} = form.elements;
  const entries = all(".index tbody tr").map(row => {
    const cells = row.querySelectorAll("td");
    return {
      row,
      section: document.getElementById(row.dataset.id),
      sources: row.dataset.source.split("|"),
      verdict: cells[0].textContent,
      kinds: cells[2].textContent.split(", "),
    };
  });

  const showCount = shown => {
    form.querySelector("output").textContent = `${shown} of ${entries.length} claims`;
  };
  const filter = () => {
    const wanted = words.value.toLowerCase().split(/\s+/).filter(Boolean);
    const matches = entry => {
      entry.text ??= entry.section.textContent.toLowerCase();
      return (!source.value || entry.sources.includes(source.value))
        && (!verdict.value || entry.verdict === verdict.value)
        && (!kind.value || entry.kinds.includes(kind.value))
        && wanted.every(word => entry.text.includes(word));
    };
    let shown = 0;
    for (const entry of entries) {
      const match = matches(entry);
      entry.row.hidden = entry.section.hidden = !match;
      shown += match;
    }
    for (const group of all(".group")) group.hidden = !group.querySelector("tbody tr:not([hidden])");
    showCount(shown);
  };

  form.hidden = false;
  form.addEventListener("input", filter);
  form.addEventListener("submit", event => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(filter));
  // Following a link to a hidden claim resets the filter.
  const target = () => {
    const section = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (section?.hidden) {
      form.reset();
      setTimeout(() => section.scrollIntoView());
    }
  };
  addEventListener("hashchange", target);
  showCount(entries.length);

  for (const text of all(".cite pre")) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = `Copy ${text.className}`;
    button.addEventListener("click", async () => {
      try {
        await navigator.clipboard.writeText(text.textContent);
      } catch {
        getSelection().selectAllChildren(text);
        document.execCommand("copy");
      }
      button.textContent = "Copied";
      setTimeout(() => { button.textContent = `Copy ${text.className}`; }, 2000);
    });
    text.before(button);
  }
}
