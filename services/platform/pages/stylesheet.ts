import { createHash } from "node:crypto";
import type { Brand } from "./brand.ts";

/** A style element's text and the source expression that lets it, and nothing else, through the content security policy. */
export interface Stylesheet {
  readonly css: string;
  /** `'sha256-…'` */
  readonly source: string;
}

const cacheMax = 50;
const cache = new Map<string, Stylesheet>();

/** The design system in one brand's colour. One inline style with a hash: one request a page, and no style from elsewhere. */
export function stylesheetFor(brand: Brand): Stylesheet {
  const known = cache.get(brand.color);
  if (known !== undefined) return known;
  const css = `:root{--brand:${brand.color}}${designSystem}`;
  const made = { css, source: `'sha256-${createHash("sha256").update(css).digest("base64")}'` };
  if (cache.size >= cacheMax) cache.clear();
  cache.set(brand.color, made);
  return made;
}

// Phone first; one column up to 30rem. Dark values follow the reader's setting. Nothing moves for those who asked for that.
const designSystem = `
:root{color-scheme:light dark;--ink:#14181f;--soft:#566070;--line:#d9dee6;--paper:#fff;--ground:#f3f5f8;--accent:var(--brand);
--on-accent:#fff;--tint:color-mix(in srgb,var(--brand) 8%,var(--paper));--ok:#12663a;--ok-bg:#e6f4ec;--bad:#a3241c;--bad-bg:#fdecea;
--warn:#7a4b00;--warn-bg:#fff4dc;--shadow:0 1px 2px rgb(15 23 42/.06),0 12px 32px rgb(15 23 42/.08)}
@media (prefers-color-scheme:dark){:root{--ink:#eef1f6;--soft:#a4aebd;--line:#343b47;--paper:#191d24;--ground:#0f1216;
--accent:color-mix(in srgb,var(--brand) 45%,#fff);--on-accent:#0c0f14;--tint:color-mix(in srgb,var(--accent) 12%,var(--paper));
--ok:#7fd8a6;--ok-bg:#12301f;--bad:#ffaba3;--bad-bg:#3a1714;--warn:#f5cd7f;--warn-bg:#33260c;--shadow:none}}
*,*::before,*::after{box-sizing:border-box}
html{-webkit-text-size-adjust:100%;text-size-adjust:100%}
body{margin:0;min-height:100vh;min-height:100dvh;display:flex;flex-direction:column;background:var(--ground);color:var(--ink);
font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif}
h1{font-size:1.5rem;line-height:1.25;letter-spacing:-.015em;margin:0 0 .5rem;text-wrap:balance}
h2{font-size:1rem;line-height:1.4;margin:1.5rem 0 .5rem}
body{overflow-wrap:break-word}:is(h1,h2,h3,p,a,label,td,th,li,.button){overflow-wrap:anywhere}
p{margin:0 0 1rem}a{color:var(--accent);text-underline-offset:.2em}
h1+:is(form,.alert){margin-top:1rem}form+.hint,.hint.reference{margin-top:1.25rem}.nowrap{white-space:nowrap}
.lead,.hint{color:var(--soft)}.lead{margin-bottom:1.5rem}.hint{font-size:.875rem;margin:.25rem 0 0}
.site{display:flex;align-items:center;gap:.75rem;padding:1rem;width:100%;max-width:32rem;margin:0 auto}
.site.wide{max-width:64rem}
.mark{flex:none;display:grid;place-items:center;width:2.25rem;height:2.25rem;border-radius:.7rem;background:var(--brand);color:#fff;
font-weight:700;font-size:.875rem;letter-spacing:.02em}
.site-name{font-weight:650;letter-spacing:-.01em}
main{width:100%;max-width:32rem;margin:0 auto;padding:0 1rem 2rem;flex:1}main.wide{max-width:64rem}
.panel{background:var(--paper);border:1px solid var(--line);border-radius:1.125rem;padding:1.5rem 1.25rem;box-shadow:var(--shadow)}
.panel+.panel{margin-top:1rem}.panel>:first-child{margin-top:0}.panel>:last-child{margin-bottom:0}
footer{width:100%;max-width:32rem;margin:0 auto;padding:0 1rem 1.5rem;color:var(--soft);font-size:.8125rem;text-align:center}
.skip{position:absolute;left:-999rem}.skip:focus{left:1rem;top:1rem;background:var(--paper);padding:.5rem 1rem;border-radius:.5rem;z-index:1}
.sr{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%);white-space:nowrap}
.field{margin:0 0 1.125rem}.field>label{display:block;font-weight:600;font-size:.9375rem;margin-bottom:.375rem}
.field>input,.field>select{width:100%;min-height:3rem;padding:.625rem .875rem;font:inherit;color:inherit;background:var(--paper);
border:1px solid color-mix(in srgb,var(--soft) 75%,var(--paper));border-radius:.75rem}
.field>input[aria-invalid=true]{border-color:var(--bad)}.error-text{color:var(--bad);font-size:.875rem;margin:.375rem 0 0;font-weight:550}
.code>input{font-size:1.5rem;letter-spacing:.35em;font-variant-numeric:tabular-nums;text-align:center}
.button{display:inline-flex;align-items:center;justify-content:center;min-height:3rem;width:100%;padding:.625rem 1.25rem;font:inherit;
font-weight:650;border-radius:.75rem;border:1px solid transparent;cursor:pointer;text-decoration:none;background:var(--accent);
color:var(--on-accent)}
.button:hover{background:color-mix(in srgb,var(--accent) 88%,var(--ink))}
.button.secondary{background:transparent;color:var(--ink);border-color:color-mix(in srgb,var(--soft) 75%,var(--paper))}
.button.secondary:hover{background:var(--tint)}.button.danger{background:var(--bad);color:var(--paper)}
.button.quiet{background:transparent;color:var(--accent);font-weight:550}.button.small{min-height:2.5rem;width:auto;padding:.375rem .875rem;font-size:.9375rem}
.actions{display:grid;gap:.75rem;margin-top:1.5rem}
:is(.button,input,select,a,summary,.choice):focus-visible,.choice:has(input:focus-visible){outline:3px solid color-mix(in srgb,var(--accent) 65%,transparent);outline-offset:2px}
.choice input:focus-visible{outline:none}
.alert{border-radius:.75rem;padding:.75rem 1rem;margin:0 0 1.25rem;background:var(--tint);border-left:4px solid var(--accent)}
.alert p,.panel form .alert p{margin:0}.alert strong{display:block}.alert.error{background:var(--bad-bg);color:var(--bad);border-color:currentColor}
.alert.success{background:var(--ok-bg);color:var(--ok);border-color:currentColor}
.alert.warning{background:var(--warn-bg);color:var(--warn);border-color:currentColor}
fieldset{border:0;margin:0 0 1.25rem;padding:0;min-width:0}legend{font-weight:650;padding:0;margin-bottom:.625rem}
.choice{display:flex;align-items:center;gap:.75rem;padding:.75rem;border:1px solid var(--line);border-radius:.875rem;cursor:pointer;
margin-bottom:.625rem;min-height:3.5rem}
.choice:has(input:checked){border-color:var(--accent);background:var(--tint);box-shadow:inset 0 0 0 1px var(--accent)}
.choice input{flex:none;width:1.25rem;height:1.25rem;margin:0;accent-color:var(--accent)}.choice .text{flex:1;min-width:0}
.choice .name{display:block;font-weight:600;font-variant-numeric:tabular-nums}.choice .detail{display:block;color:var(--soft);font-size:.875rem}
.plastic{flex:none;display:grid;place-items:end;width:3.25rem;height:2.125rem;border-radius:.375rem;padding:.25rem .3125rem;color:#fff;
font-size:.5625rem;font-weight:800;letter-spacing:.04em;line-height:1;background:linear-gradient(135deg,#4b5563,#1f2937)}
.plastic.visa{background:linear-gradient(135deg,#2a4fb5,#14246b)}.plastic.mc{background:linear-gradient(135deg,#3b3f46,#14161a)}
.plastic.mc::before,.plastic.amex::before{content:"";width:.625rem;height:.625rem;border-radius:50%;background:#eb5a24;box-shadow:.375rem 0 0 #f5a623;margin-right:.375rem}
.plastic.mc{align-content:space-between}.plastic.amex{background:linear-gradient(135deg,#2e8bc0,#145374)}.plastic.amex::before{display:none}
.grants{list-style:none;margin:0 0 1.25rem;padding:0}.grants li{display:flex;gap:.75rem;padding:.625rem 0;border-bottom:1px solid var(--line)}
.grants li:last-child{border-bottom:0}.grants .tick{flex:none;width:1.5rem;height:1.5rem;border-radius:50%;background:var(--tint);color:var(--accent);display:grid;place-items:center;font-size:.8125rem;font-weight:800}
.grants .name{display:block;font-weight:600}.grants .detail{display:block;color:var(--soft);font-size:.875rem}
.facts{width:100%;border-collapse:collapse;margin:0 0 1.25rem}.facts caption{text-align:left;font-weight:650;margin-bottom:.375rem}
.facts :is(th,td){padding:.625rem 0;border-bottom:1px solid var(--line);text-align:right;vertical-align:top;font-variant-numeric:tabular-nums;overflow-wrap:anywhere}
.facts th{text-align:left;font-weight:450;color:var(--soft);padding-right:1rem;overflow-wrap:normal}
.facts .total :is(th,td){font-weight:700;color:var(--ink);border-bottom:0;font-size:1.125rem}
.amount{font-size:2.5rem;font-weight:700;letter-spacing:-.03em;line-height:1.1;margin:.25rem 0 .5rem;font-variant-numeric:tabular-nums}
.badge{display:inline-block;white-space:nowrap;border-radius:1rem;padding:.0625rem .625rem;font-size:.8125rem;font-weight:600;background:var(--tint);color:var(--accent)}
.badge.success{background:var(--ok-bg);color:var(--ok)}.badge.error{background:var(--bad-bg);color:var(--bad)}.badge.warning{background:var(--warn-bg);color:var(--warn)}
.who{display:flex;align-items:center;gap:.75rem;margin:1.25rem 0 .75rem}.who .mark{background:var(--soft);color:var(--paper)}
@media (min-width:40rem){main,.site{padding-left:1.5rem;padding-right:1.5rem}main{padding-top:1.5rem}.panel{padding:2rem}
.actions.side{grid-template-columns:1fr 1fr}}
@media (prefers-reduced-motion:no-preference){.button,.choice{transition:background-color .12s,border-color .12s}}
@media (forced-colors:active){.choice:has(input:checked){outline:2px solid}}
`.replaceAll("\n", "");
