import { z } from "zod";
import { environmentName, httpUrl, port, secretText, wholeNumber } from "../../platform/config/read-config.ts";

/**
 * The part of a sandbox's environment that is the same for all, to be spread into a `z.object` of its own.
 * @param own the port and the schema where the environment says nothing
 */
export function sandboxShape(own: { readonly port: number; readonly schema: string }) {
  return {
    // A sandbox hands anybody's demo data to whoever has its published passwords.
    PAYMESH_ENV: environmentName.refine((name) => name === "local", "a sandbox runs only where it is local"),
    BIND_HOST: z.string().default("127.0.0.1"),
    PORT: port.default(own.port),
    /** Where browsers and programs reach the sandbox; links it gives out start with it. */
    SANDBOX_ORIGIN: httpUrl.default(`http://127.0.0.1:${own.port}`),
    /** Opens `/_control`. */
    SANDBOX_CONTROL_KEY: secretText(8),
    /** Seals and hashes what the sandbox keeps; all tokens and keys are lost with it. */
    SANDBOX_DATA_KEY: secretText(32),
    DATABASE_URL: z.string().min(1),
    DATABASE_SCHEMA: z.string().default(own.schema),
    DATABASE_POOL_SIZE: wholeNumber({ min: 2, max: 100, otherwise: 7 }),
  };
}

/** What {@link sandboxShape} reads. */
export type SandboxConfig = z.infer<z.ZodObject<ReturnType<typeof sandboxShape>>>;

/** Addresses separated by commas; none when unset. */
export const addressList = z
  .string()
  .default("")
  .transform((text) =>
    text
      .split(",")
      .map((each) => each.trim())
      .filter((each) => each !== ""),
  )
  .refine((uris) => uris.every((uri) => URL.canParse(uri)), "must be a list of absolute URLs");
