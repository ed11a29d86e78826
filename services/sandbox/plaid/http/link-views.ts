import type { Brand } from "../../../platform/pages/brand.ts";
import type { SafeHtml } from "../../../platform/pages/html.ts";
import { type Page, page } from "../../../platform/pages/layout.ts";
import { people, samplePassword } from "../domain/people.ts";

/** The pages' speaker. */
export const linkBrand: Brand = Object.freeze({ id: "plaid-link", name: "Link Sandbox", color: "#1d4f91" });

const footer = `A sandbox: the banks and their customers are made up. Sign in as ${people.map((each) => each.username).join(", ")} with ${samplePassword}.`;

/** A page of Link. */
export function linkPage(title: string, body: SafeHtml): Page {
  return page({ title, brand: linkBrand, body, footer });
}
