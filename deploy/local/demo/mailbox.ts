import { setTimeout as sleep } from "node:timers/promises";
import { Surprise } from "./narrator.ts";

interface Message {
  readonly id: string;
  readonly text: string;
}

/** How long a mail may be under way. */
const waitMsMax = 10_000;

/** The local mail catcher, as a person reads their mail. */
export class Mailbox {
  readonly #mail: string;
  readonly #address: string;
  #seen = 0;

  constructor(mail: string, address: string) {
    this.#mail = mail;
    this.#address = address;
  }

  /** Waits for the next message and returns the six-digit code that stands alone on a line of it. */
  async nextCode(): Promise<string> {
    const until = Date.now() + waitMsMax;
    while (Date.now() < until) {
      const url = `${this.#mail}/api/messages?to=${encodeURIComponent(this.#address)}`;
      const { messages } = (await (await fetch(url)).json()) as { messages: Message[] }; // the catcher's own shape
      const next = messages[this.#seen];
      if (next !== undefined) {
        this.#seen += 1;
        const code = /^(\d{6})$/m.exec(next.text)?.[1];
        if (code !== undefined) return code;
      }
      await sleep(100);
    }
    throw new Surprise(`a mail to ${this.#address}`, "none");
  }
}
