import {
  actions,
  alert,
  button,
  checkbox,
  form,
  linkButton,
  panel,
  receipt,
} from "../../../platform/pages/components.ts";
import { html, type SafeHtml } from "../../../platform/pages/html.ts";
import type { Erasure } from "../../storage/erasure-store.ts";

/** Asks before everything goes. */
export function eraseView(view: { csrf: string; problem?: string | undefined }): SafeHtml {
  return panel(html`<h1>Erase everything?</h1>${view.problem !== undefined && alert({ kind: "error", text: view.problem })}
<p>Every connection ends, also those of the banks in your wallet: consents are taken back, accounts and transactions are removed, and the keys that open what backups hold of you are destroyed. This cannot be undone.</p>
${form({
  action: "/connections/erase",
  csrf: view.csrf,
  body: html`${checkbox({ name: "understood", label: "I want everything erased", hint: "Cards of these banks will not pay any more." })}${actions(
    [
      button({ label: "Erase everything", kind: "danger" }),
      linkButton({ label: "Keep it", href: "/connections", kind: "secondary" }),
    ],
  )}`,
})}`);
}

const labels: Readonly<Record<keyof Erasure["counts"], string>> = {
  connections: "Connections",
  accounts: "Accounts",
  transactions: "Transactions",
  syncRuns: "Records of what was fetched",
  connectAttempts: "Consents under way",
  webhookEvents: "Events of providers",
  revocations: "Consents being taken back",
  dataKeys: "Keys destroyed",
};

/** What an erasure removed. */
export function erasedView(erasure: Pick<Erasure, "erasureId" | "completedAt" | "counts">): SafeHtml {
  const isComplete = erasure.completedAt !== undefined;
  const told = isComplete
    ? "Everything that was kept about your connected accounts is gone."
    : "This goes on by itself and takes a little longer. Nothing is read from your accounts any more.";
  const rows = Object.entries(labels).map(
    ([name, label]) => [label, String(erasure.counts[name as keyof Erasure["counts"]])] as const, // the table's own keys
  );
  return panel(html`<h1>${isComplete ? "Erased" : "Being erased"}</h1>${alert({ kind: isComplete ? "success" : "info", text: told })}
${receipt({ caption: "Report", rows: [["Number", erasure.erasureId], ...rows] })}
${linkButton({ label: "Back to the wallet", href: "/wallet" })}`);
}
