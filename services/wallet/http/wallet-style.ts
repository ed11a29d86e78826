/** What the wallet's pages need beside the shared design: cards in a list, quiet ends of a page, a bank with its state. */
export const walletStyle = [
  ".panel form:last-child>:last-child{margin-bottom:0}",
  ".panel form p{margin-bottom:.75rem}.quietly{text-align:center;margin-top:1rem;color:var(--soft);font-size:.875rem}",
  ".quietly form{display:inline}.quietly>a,.ways a{display:inline-block;padding:.375rem 0}.quietly .button{width:auto;min-height:2.75rem}",
  ".held{list-style:none;margin:.75rem 0 1rem;padding:0}.held li{display:flex;flex-wrap:wrap;align-items:center;gap:.25rem .875rem;padding:.875rem 0;border-top:1px solid var(--line)}",
  ".held .text{flex:1 1 15rem;min-width:0}.held .name{display:block;font-weight:600;font-variant-numeric:tabular-nums}",
  ".held .detail{display:block;color:var(--soft);font-size:.875rem}.held .does{display:flex;margin-left:auto}.held .does .button{padding:.375rem .625rem}",
  ".bank{display:flex;flex-wrap:wrap;align-items:center;justify-content:space-between;gap:.75rem}.hint+:is(p,form){margin-top:.75rem}.bank h2{margin:0;font-size:1.125rem}",
  ".ends{display:flex;flex-wrap:wrap;gap:.625rem}.ends form{flex:1 1 auto}.ends .button{width:100%;white-space:nowrap}",
  ".notice h2{margin:0 0 .375rem;font-size:1.0625rem}.notice{border-left:4px solid var(--warn)}.notice .ends form{flex:0 0 auto}.notice .ends .button{width:auto}",
  ".ways{display:flex;flex-wrap:wrap;gap:0 1.25rem;margin:1.25rem 0 0;padding:0;list-style:none;font-size:.875rem}",
  "details>summary{cursor:pointer;font-weight:600;padding:.625rem 0}details form{margin-top:.75rem}",
].join("");
