import { createHash } from "node:crypto";
import { Page } from "./layout.ts";

/** The same document with further style of our own after the shared one, let through by its hash. Never style from outside. */
export function withStyle(document: Page, css: string): Page {
  const source = `'sha256-${createHash("sha256").update(css).digest("base64")}'`;
  const text = document.text.replace("</head>", () => `<style>${css}</style>\n</head>`);
  return new Page(text, `${document.styleSource} ${source}`);
}
