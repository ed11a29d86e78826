import { createTransport } from "nodemailer";
import { afterEach, describe, expect, it } from "vitest";
import { systemClock } from "../../platform/time/clock.ts";
import { createMailPages } from "./mail-pages.ts";
import { Mailbox, messagesMax, textLengthMax } from "./mailbox.ts";
import { messageBytesMax, type SmtpCatcher, startSmtpCatcher } from "./smtp-catcher.ts";

const stops: Array<() => Promise<unknown>> = [];
afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop();
});

async function start(): Promise<{ mailbox: Mailbox; smtp: SmtpCatcher; origin: string }> {
  const mailbox = new Mailbox();
  const smtp = await startSmtpCatcher({ host: "127.0.0.1", port: 0, mailbox, clock: systemClock });
  stops.push(() => smtp.close());
  const pages = createMailPages({ mailbox });
  const origin = await pages.listen({ host: "127.0.0.1", port: 0 });
  stops.push(() => pages.close());
  return { mailbox, smtp, origin };
}

function send(smtp: SmtpCatcher, to: string, subject: string, text: string): Promise<unknown> {
  const transport = createTransport({ host: "127.0.0.1", port: smtp.port, secure: false, ignoreTLS: true });
  return transport.sendMail({ from: "wallet@example.com", to, subject, text }).finally(() => transport.close());
}

describe("mail catcher", () => {
  it("gives what was sent to one address, newest last, the code alone on its line", async () => {
    const { smtp, origin } = await start();
    await send(smtp, "Ada@example.com", "First", "Your code is\n\n123456\n\nIt lives five minutes.");
    await send(smtp, "other@example.com", "Elsewhere", "hello");
    await send(smtp, "ada@example.com", "Second", "654321");
    const answer = await fetch(`${origin}/api/messages?to=ADA@example.com`);
    const { messages } = (await answer.json()) as {
      messages: Array<{ id: string; to: string; subject: string; text: string; receivedAt: string }>;
    };
    expect(messages.map((message) => message.subject)).toEqual(["First", "Second"]);
    expect(messages[0]?.to).toBe("ada@example.com");
    expect(messages[0]?.text.split("\n")).toContain("123456");
    expect(Date.parse(messages[0]?.receivedAt ?? "")).toBeGreaterThan(0);
    expect(new Set(messages.map((message) => message.id)).size).toBe(2);
  });

  it("shows a message on its page without running what the message says", async () => {
    const { smtp, origin } = await start();
    await send(
      smtp,
      "ada@example.com",
      "<script>alert(1)</script>",
      "<b>bold</b>\nhttp://127.0.0.1:8080/wallet\njavascript:alert(1)",
    );
    const page = await (await fetch(`${origin}/`)).text();
    expect(page).toContain("&lt;script&gt;alert(1)&lt;/script&gt;");
    expect(page).toContain('<a href="http://127.0.0.1:8080/wallet">http://127.0.0.1:8080/wallet</a>');
    expect(page).not.toContain('href="javascript:');
    expect(page).not.toContain("<script>alert(1)");
    expect(page).toContain("ada@example.com");
  });

  it("refuses a message over its size", async () => {
    const { smtp, mailbox } = await start();
    await expect(send(smtp, "ada@example.com", "big", "x".repeat(messageBytesMax + 1))).rejects.toThrow();
    expect(mailbox.list()).toHaveLength(0);
  });

  it("drops the oldest message when full and cuts long texts", () => {
    const mailbox = new Mailbox();
    const receivedAt = new Date();
    for (let n = 0; n <= messagesMax; n += 1) {
      mailbox.add({ to: "a@example.com", subject: `${n}`, text: "t".repeat(textLengthMax + 5), receivedAt });
    }
    const kept = mailbox.list();
    expect(kept).toHaveLength(messagesMax);
    expect(kept[0]?.subject).toBe("1");
    expect(kept[0]?.text).toHaveLength(textLengthMax);
  });
});
