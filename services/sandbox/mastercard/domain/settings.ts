import { z } from "zod";
import { commonSignatures, secondsSetting, sharedSettings } from "../../kit/domain/settings.ts";

/** How webhooks are signed: truly, or wrong in one of the ways a receiver must refuse. */
export const signatureMode = z.enum(commonSignatures);

/** One of {@link signatureMode}. */
export type SignatureMode = z.infer<typeof signatureMode>;

const hourSeconds = 3_600;
const daySeconds = 24 * hourSeconds;
const wait = (otherwise: number) => z.number().int().min(0).max(daySeconds).default(otherwise);

/** What the control API may change about the whole sandbox. */
export const settingsShape = z.object({
  ...sharedSettings(30_000),
  webhookSignature: signatureMode.default("valid"),
  /** ECDSA signatures as Java makes them, or r and s side by side. */
  signatureEncoding: z.enum(["der", "raw"]).default("der"),
  /** Whether a Connect URL is refused when its webhook does not answer a ping with 2xx. */
  webhookPing: z.boolean().default(true),
  tokenSeconds: secondsSetting(2 * hourSeconds),
  connectSeconds: secondsSetting(2 * hourSeconds),
  /** Of links sent by e-mail. */
  emailSeconds: secondsSetting(7 * daySeconds),
  /** Whether an e-mail needs a `consumerId`, as the vendor's description says and its older examples do not. */
  emailNeedsConsumer: z.boolean().default(false),
  /** Of OAuth logins. */
  authorizationSeconds: secondsSetting(365 * daySeconds),
  /** From consent to the first transactions. */
  firstAggregationSeconds: wait(1),
  /** Between the aggregations that happen by themselves. */
  aggregationSeconds: secondsSetting(daySeconds),
  /** How long a refresh takes to answer. */
  refreshMs: z.number().int().min(0).max(180_000).default(0),
  testingCustomersMax: z.number().int().min(1).max(100_000).default(500),
});

/** Settings in force. */
export type Settings = z.infer<typeof settingsShape>;
