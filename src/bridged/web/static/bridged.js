// What pages cannot do by themselves. Without it every form still posts and every page still opens.
"use strict";
(() => {
  const copy = async (button) => {
    const field = document.getElementById(button.dataset.copy);
    await navigator.clipboard.writeText(field.value ?? field.textContent);
    const told = button.textContent;
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = told; }, 2000);
  };

  // Browsers without the `command` attribute open dialogs by this.
  const commanded = (button) => {
    const dialog = document.getElementById(button.getAttribute("commandfor"));
    if (button.getAttribute("command") === "show-modal") dialog.showModal();
    if (button.getAttribute("command") === "close") dialog.close();
  };

  document.addEventListener("click", (event) => {
    const button = event.target.closest?.("button");
    if (button?.dataset.copy) copy(button);
    else if (button?.hasAttribute("commandfor") && !("commandForElement" in HTMLButtonElement.prototype)) commanded(button);
    else if (button?.dataset.check) {
      for (const box of document.querySelectorAll(button.dataset.check)) box.checked = button.dataset.to === "on";
    }
  });

  // A form is sent once, however often its button is pressed.
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.method !== "post" || event.defaultPrevented) return;
    if (form.dataset.sent) event.preventDefault();
    form.dataset.sent = "yes";
  });
  window.addEventListener("pageshow", () => {
    for (const form of document.querySelectorAll("form[data-sent]")) delete form.dataset.sent;
  });

  // A sum of fields whose names begin alike, while they are typed.
  document.addEventListener("input", (event) => {
    for (const out of event.target.form?.querySelectorAll("output[data-sum]") ?? []) {
      const fields = [...event.target.form.elements].filter((each) => each.name?.startsWith(out.dataset.sum));
      out.value = fields.reduce((sum, each) => sum + (Number(each.value) || 0), 0);
      out.toggleAttribute("data-wrong", out.value !== "100");
    }
  });

  // Where no stream is open, what changes is fetched instead.
  const streaming = new Set();
  document.addEventListener("htmx:sse:after:connection", (event) => streaming.add(event.target.id));
  document.addEventListener("htmx:sse:close", (event) => {
    if (event.detail.reason !== "message") streaming.delete(event.target.id);
  });
  document.addEventListener("htmx:sse:error", (event) => streaming.delete(event.target.id));
  setInterval(() => {
    if (document.hidden) return;
    for (const each of document.querySelectorAll("[data-instead-of]")) {
      if (!streaming.has(each.dataset.insteadOf)) each.dispatchEvent(new Event("look"));
    }
  }, 5000);

  // What came instead of something else and wants to be read next has `data-focus`.
  document.addEventListener("htmx:after:swap", () => {
    const wanted = document.querySelector("[data-focus]");
    if (wanted) {
      wanted.removeAttribute("data-focus");
      wanted.focus();
    }
  });
})();
