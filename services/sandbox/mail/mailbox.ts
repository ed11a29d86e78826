import { uuidv7 } from "../../platform/ids/uuidv7.ts";

/** How many messages are kept; the oldest leaves first. */
export const messagesMax = 500;
/** Longest text kept of one message, in characters. */
export const textLengthMax = 20_000;
const subjectLengthMax = 300;

/** One caught message. `receivedAt` is ISO 8601 UTC. */
export interface CaughtMessage {
  readonly id: string;
  /** The envelope's recipient, lower case. */
  readonly to: string;
  readonly subject: string;
  readonly text: string;
  readonly receivedAt: string;
}

/** What arrived for one recipient, before it has an id. */
export interface Arrival {
  readonly to: string;
  readonly subject: string;
  readonly text: string;
  readonly receivedAt: Date;
}

/**
 * Keeps the newest messages in memory, oldest first. Mail that nobody read is worth nothing after a restart, so nothing
 * is written to disk: sign-in codes would otherwise stay there.
 */
export class Mailbox {
  readonly #messages: CaughtMessage[] = [];

  /** Stores one message and returns it; long texts are cut, the oldest message leaves when the box is full. */
  add(arrival: Arrival): CaughtMessage {
    const message: CaughtMessage = {
      id: uuidv7(arrival.receivedAt.getTime()),
      to: arrival.to.toLowerCase(),
      subject: arrival.subject.slice(0, subjectLengthMax),
      text: arrival.text.slice(0, textLengthMax),
      receivedAt: arrival.receivedAt.toISOString(),
    };
    this.#messages.push(message);
    if (this.#messages.length > messagesMax) this.#messages.shift();
    return message;
  }

  /** Messages in order of arrival, newest last; `to` narrows to one address, in any case. */
  list(to?: string): readonly CaughtMessage[] {
    if (to === undefined || to === "") return [...this.#messages];
    const address = to.toLowerCase();
    return this.#messages.filter((message) => message.to === address);
  }
}
