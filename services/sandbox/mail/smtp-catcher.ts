import { buffer } from "node:stream/consumers";
import { simpleParser } from "mailparser";
import { SMTPServer } from "smtp-server";
import type { Clock } from "../../platform/time/clock.ts";
import type { Mailbox } from "./mailbox.ts";

/** Largest message taken, in bytes. */
export const messageBytesMax = 1024 * 1024;
const recipientsMax = 20;
const connectionsMax = 50;
const socketIdleMs = 30_000;

/** A running SMTP server; `close` ends its connections. */
export interface SmtpCatcher {
  readonly port: number;
  close(): Promise<void>;
}

/** Options of {@link startSmtpCatcher}. Port 0 takes a free one. */
export interface SmtpCatcherOptions {
  readonly host: string;
  readonly port: number;
  readonly mailbox: Mailbox;
  readonly clock: Clock;
}

/**
 * Takes every message that arrives and puts it into the mailbox, once for each recipient. It asks for no password and
 * offers no TLS: it listens on this machine for senders on this machine, and relays nothing.
 */
export function startSmtpCatcher(options: SmtpCatcherOptions): Promise<SmtpCatcher> {
  const server = new SMTPServer({
    authOptional: true,
    disabledCommands: ["AUTH", "STARTTLS"],
    disableReverseLookup: true,
    size: messageBytesMax,
    maxClients: connectionsMax,
    socketTimeout: socketIdleMs,
    closeTimeout: 1000,
    onRcptTo(_address, session, callback) {
      if (session.envelope.rcptTo.length >= recipientsMax) callback(new Error("too many recipients"));
      else callback();
    },
    onData(stream, session, callback) {
      const recipients = session.envelope.rcptTo.map((recipient) => recipient.address);
      buffer(stream)
        .then((bytes) => (stream.sizeExceeded ? Promise.reject(new Error("message too large")) : bytes))
        .then((bytes) => deliver(bytes, recipients, options))
        .then(() => callback())
        .catch((error: unknown) => callback(error instanceof Error ? error : new Error("message refused")));
    },
  });
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    const listener = server.listen(options.port, options.host, () => {
      server.off("error", reject);
      // A broken connection is the sender's affair and must not end the process.
      server.on("error", () => undefined);
      const address = listener.address();
      const port = typeof address === "object" && address !== null ? address.port : options.port;
      resolve({ port, close: () => new Promise((done) => server.close(() => done())) });
    });
  });
}

async function deliver(bytes: Buffer, recipients: readonly string[], options: SmtpCatcherOptions): Promise<void> {
  const parsed = await simpleParser(bytes, { skipTextToHtml: true, skipImageLinks: true });
  for (const to of recipients) {
    options.mailbox.add({
      to,
      subject: parsed.subject ?? "",
      text: parsed.text ?? "",
      receivedAt: options.clock.now(),
    });
  }
}
