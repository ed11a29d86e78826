/** What these pages need beside the shared design: rows with an amount or an action at their end, and a connection with its state. */
export const connectionsStyle = [
  ".site .button{margin-left:auto}",
  ".head{display:flex;flex-wrap:wrap;align-items:center;justify-content:space-between;gap:.375rem .75rem}.head :is(h1,h2){margin:0;min-width:0}.head h2{font-size:1.125rem}",
  ".rows{list-style:none;margin:.5rem 0 1rem;padding:0}.rows li{display:flex;flex-wrap:wrap;align-items:center;gap:.25rem .875rem;padding:.75rem 0;border-top:1px solid var(--line)}",
  ".rows .text{flex:1 1 8rem;min-width:0}.rows .name{display:block;font-weight:600;overflow-wrap:anywhere}.rows .detail{display:block;color:var(--soft);font-size:.875rem}",
  ".rows .sum{flex:0 1 auto;margin-left:auto;text-align:right;font-weight:600;font-variant-numeric:tabular-nums}.rows .sum .detail{font-weight:400}.rows .in{color:var(--ok)}",
  ".rows a.button,.rows .button{flex:none}.rows a.name{display:inline-block;padding:.125rem 0}",
  ".does{display:flex;flex-wrap:wrap;gap:.625rem;margin-top:1rem}.does>*{flex:1 1 9rem}.does>form{display:flex}.does .button{width:100%;text-align:center}",
  ".search{display:flex;gap:.625rem;align-items:end;margin:1rem 0}.search .field{flex:1;margin:0;min-width:0}.search .button{width:auto;flex:none}",
  ".hint+p{margin-top:.75rem}.panel+.hint{margin-top:1rem;text-align:center}h3{font-size:1rem;margin:1.5rem 0 .25rem}.pages{display:flex;justify-content:space-between;gap:.75rem}.back{margin:0 0 .75rem}.back a{display:inline-flex;min-height:2.75rem;align-items:center}",
  "details>summary{cursor:pointer;font-weight:600;padding:.625rem 0}",
].join("");
