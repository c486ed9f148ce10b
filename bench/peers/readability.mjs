// readability.mjs PEERS: Readability.js with linkedom over the files whose paths come in on standard
// input, one a line; pages.py calls it. For each it writes a line "PATH \t BYTES \t NANOSECONDS \t
// BYTES OF TEXT" and the text. All pages are read once before the clock counts, so that V8 has
// compiled what it runs. The clock is the processor time of parsing and extracting; run node with
// --single-threaded, else V8's helpers are counted too. Making lines of the article's blocks for the
// scoring is not counted.
import { readFileSync, writeSync } from "node:fs";
import { createRequire } from "node:module";
import { resolve } from "node:path";

const require = createRequire(resolve(process.argv[2], "package.json"));
const { Readability } = require("@mozilla/readability");
const { parseHTML } = require("linkedom");

const BLOCKS = /<\/(p|div|li|h[1-6]|blockquote|tr|td|figcaption|pre|section|dt|dd)>|<br[^>]*>/gi;

function extract(page) {
  try {
    return new Readability(parseHTML(page).document).parse();
  } catch {
    return null; // what it cannot parse has no text
  }
}

function lines(article) {
  if (!article?.content) return "";
  const html = article.content.replace(BLOCKS, "$&\n");
  return parseHTML(`<html><body>${html}</body></html>`).document.body.textContent;
}

function write(bytes) {
  for (let at = 0; at < bytes.length; ) at += writeSync(1, bytes, at);
}

const paths = readFileSync(0, "utf8").split("\n").filter(Boolean);
for (const path of paths) extract(readFileSync(path, "utf8"));
for (const path of paths) {
  const bytes = readFileSync(path);
  const page = bytes.toString("utf8");
  const begin = process.cpuUsage();
  const article = extract(page);
  const { user, system } = process.cpuUsage(begin);
  const text = Buffer.from(lines(article), "utf8");
  write(Buffer.from(`${path}\t${bytes.length}\t${(user + system) * 1000}\t${text.length}\n`));
  write(Buffer.concat([text, Buffer.from("\n")]));
}
