import { createTransport } from "nodemailer";

const timeoutMs = 10_000;

/** Sends mail. `close` waits for nobody: jobs keep what is not sent. */
export interface Mailer {
  /** Resolves once the server has taken the mail; rejects when it has not. */
  send(
    mail: { readonly to: string; readonly subject: string; readonly text: string },
    signal: AbortSignal,
  ): Promise<void>;
  close(): void;
}

/**
 * A mailer over SMTP. `smtpUrl` is `smtp://` or `smtps://`, with user and password where the server wants them; `from` is the
 * sender. Connections are pooled and every step has a deadline.
 */
export function createMailer(options: { readonly smtpUrl: string; readonly from: string }): Mailer {
  const url = new URL(options.smtpUrl);
  const secure = url.protocol === "smtps:";
  const user = decodeURIComponent(url.username);
  const transport = createTransport({
    host: url.hostname,
    port: url.port === "" ? (secure ? 465 : 587) : Number.parseInt(url.port, 10),
    secure,
    ...(user === "" ? {} : { auth: { user, pass: decodeURIComponent(url.password) } }),
    pool: true,
    maxConnections: 2,
    connectionTimeout: timeoutMs,
    greetingTimeout: timeoutMs,
    socketTimeout: timeoutMs,
    // A mail of ours has no attachments: nothing may make it read files or URLs.
    disableFileAccess: true,
    disableUrlAccess: true,
  });
  return {
    send: async (mail, signal) => {
      signal.throwIfAborted();
      await transport.sendMail({ from: options.from, to: mail.to, subject: mail.subject, text: mail.text });
    },
    close: () => transport.close(),
  };
}
