// Opened from the disk, a page may not fetch others for the words around a hit: the search then lists titles alone.
if (location.protocol === "file:") DOCUMENTATION_OPTIONS.SHOW_SEARCH_SUMMARY = false;

// What the theme leaves out for who does not see the page or has no mouse.
addEventListener("DOMContentLoaded", () => {
  for (const each of document.querySelectorAll(".sidebar-tree .caption")) each.ariaLevel = "2";
  for (const each of document.querySelectorAll("pre, .table-wrapper")) each.tabIndex = 0;
});
