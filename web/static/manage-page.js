// The page behind a manage link. The token stays behind the #: it reaches no server's log and no other site.

import "./manage.js";

const element = document.querySelector("holdfast-manage");

function open() {
  element.token = location.hash.slice(1);
}

addEventListener("hashchange", open);
open();
