// Opened from the disk, a page may not fetch others for the words around a hit: the search then lists titles alone.
if (location.protocol === "file:") DOCUMENTATION_OPTIONS.SHOW_SEARCH_SUMMARY = false;
