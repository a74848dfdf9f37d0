"use strict";

// Replaces the parts of the page that have changed, while the page is visible.

const SILENT_MS = 10000;
const RETRY_MS = 5000;

const notice = document.getElementById("silent");
let source = null;
let heard = Date.now();

function show(event) {
  heard = Date.now();
  const changed = new DOMParser().parseFromString(event.data, "text/html");
  for (const part of changed.querySelectorAll("[id^=part-]")) {
    document.getElementById(part.id)?.replaceWith(part);
  }
}

function close() {
  source?.close();
  source = null;
}

function open() {
  if (source !== null || document.hidden) {
    return;
  }
  source = new EventSource("page/events");
  source.onmessage = show;
  source.onerror = () => {
    // The browser itself returns after the end of a stream, but not after a refusal.
    if (source?.readyState === EventSource.CLOSED) {
      close();
      setTimeout(open, RETRY_MS);
    }
  };
}

document.addEventListener("visibilitychange", () => {
  if (document.hidden) {
    close();
  } else {
    heard = Date.now();
    open();
  }
});

setInterval(() => {
  notice.hidden = document.hidden || Date.now() - heard < SILENT_MS;
}, 1000);

open();
