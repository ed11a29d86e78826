import { z } from "zod";
import { environmentName, port, readConfig } from "../../platform/config/read-config.ts";
import { runService } from "../../platform/lifecycle/run-service.ts";
import { createMailPages } from "./mail-pages.ts";
import { Mailbox } from "./mailbox.ts";
import { startSmtpCatcher } from "./smtp-catcher.ts";

const config = z.object({
  PAYMESH_ENV: environmentName,
  BIND_HOST: z.string().default("127.0.0.1"),
  PORT: port.default(9002),
  SMTP_PORT: port.default(9025),
});

await runService("mail", async (scope) => {
  const settings = readConfig(config, scope.env);
  const mailbox = new Mailbox();
  const smtp = await startSmtpCatcher({
    host: settings.BIND_HOST,
    port: settings.SMTP_PORT,
    mailbox,
    clock: scope.clock,
  });
  scope.onStop("smtp", () => smtp.close());
  const pages = createMailPages({ mailbox, log: scope.log });
  await pages.listen({ host: settings.BIND_HOST, port: settings.PORT });
  scope.onStop("http", () => pages.close());
});
