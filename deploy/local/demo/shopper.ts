import { type DemoBankId, demoWorld } from "../world.ts";
import type { Mailbox } from "./mailbox.ts";
import { type Narrator, Surprise } from "./narrator.ts";
import { type Json, rest } from "./rest.ts";
import { Visitor } from "./visitor.ts";
import { bankName, type WorldAddresses } from "./world-addresses.ts";

/** A person at the demo shop, with a browser. */
export class Shopper {
  readonly browser: Visitor;
  readonly #world: WorldAddresses;
  readonly #narrator: Narrator;

  constructor(world: WorldAddresses, narrator: Narrator) {
    this.#world = world;
    this.#narrator = narrator;
    this.browser = new Visitor({
      onExchange: ({ method, url, status, location }) =>
        narrator.exchange(method, url, location === undefined ? String(status) : `${status} → ${location}`),
    });
  }

  /** Puts the first product of the shelf into the cart and presses Pay with Wallet. */
  async checkOut(): Promise<void> {
    await this.browser.open(`${this.#world.shop}/`);
    const [first] = this.browser.buttons.filter((label) => label.startsWith("Add to cart"));
    if (first === undefined) throw new Surprise("a product on the shelf", this.browser.text.slice(0, 200));
    await this.browser.press(first);
    await this.browser.open(`${this.#world.shop}/cart`);
    await this.browser.press("Pay with Wallet");
  }

  /** Signs in at the wallet with a mailed code. */
  async signIn(email: string, mailbox: Mailbox): Promise<void> {
    await this.browser.press("Continue", { Email: email });
    await this.browser.press("Sign in", { Code: await mailbox.nextCode() });
  }

  /** Makes an account at the wallet from inside the payment. */
  async signUp(email: string, name: string, mailbox: Mailbox): Promise<void> {
    await this.browser.follow("New here? Create a wallet");
    await this.browser.press("Sign up", { Email: email, Name: name });
    await this.browser.press("Sign in", { Code: await mailbox.nextCode() });
  }

  /** Adds a bank from inside the payment and comes back to it. */
  async addBank(bankId: DemoBankId, customer: string): Promise<void> {
    await this.browser.press(`Add ${bankName(bankId)}`);
    await this.browser.press("Sign in", { Email: customer, Password: demoWorld.password });
    await this.browser.press("Allow");
  }

  /** Chooses a card of this bank and authorizes; ends on the receipt. Returns the order's id. */
  async authorize(bankId: DemoBankId): Promise<string> {
    await this.browser.press("Authorize", { [bankName(bankId)]: true });
    const orderId = /\/orders\/([^/?#]+)/.exec(this.browser.current.url)?.[1];
    if (orderId === undefined || !this.browser.text.includes(`${bankName(bankId)} approved`)) {
      throw new Surprise(
        `a receipt of ${bankName(bankId)}`,
        `${this.browser.current.url}: ${this.browser.text.slice(0, 300)}`,
      );
    }
    this.#narrator.note(`the receipt says: ${bankName(bankId)} approved`);
    return orderId;
  }

  /** Presses Cancel on the card page; back at the shop nothing is paid. */
  async cancel(): Promise<void> {
    await this.browser.press("Cancel");
    if (!this.browser.text.includes("cancelled"))
      throw new Surprise("a cancelled order", this.browser.text.slice(0, 200));
    this.#narrator.note("the shop says: Payment cancelled");
  }

  /** Presses a button of the shop's desk on an order. */
  async desk(
    orderId: string,
    button: "Capture" | "Void" | "Refund",
    fields: Record<string, string> = {},
  ): Promise<void> {
    await this.browser.open(`${this.#world.shop}/orders/${orderId}`);
    const { status } = await this.browser.press(button, fields);
    if (status !== 200) throw new Surprise(`${button} to succeed`, `${status}: ${this.browser.text.slice(0, 300)}`);
  }

  /** The order as the shop's own program sees it. */
  order(orderId: string): Promise<Json> {
    return rest(this.#narrator, {
      method: "GET",
      url: `${this.#world.shop}/api/orders/${orderId}`,
      headers: { "x-api-key": demoWorld.merchantKey },
      quiet: true,
    });
  }
}
