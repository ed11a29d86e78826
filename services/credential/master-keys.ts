import { z } from "zod";
import { holdsDemoSecret } from "../platform/config/demo-secrets.ts";
import type { Environment } from "../platform/config/read-config.ts";
import { awsKmsWrapper } from "../platform/vault/aws-kms-wrapper.ts";
import { configuredMasterKeys } from "../platform/vault/configured-master-keys.ts";
import { encryptionKeyRequired } from "../platform/vault/master-key.ts";
import type { MasterKeySource } from "../platform/vault/master-key-source.ts";
import { MasterKeyListError, parseMasterKeys } from "../platform/vault/parse-master-keys.ts";

const encryptionKeyLengthMin = 32;

/** Where the master keys are; at least one of them is set. */
export const masterKeySettingsShape = {
  /** The secret of master key version 1. At least 32 random characters; losing it loses every secret stored here. */
  CREDENTIAL_ENCRYPTION_KEY: z.string().min(encryptionKeyLengthMin, encryptionKeyRequired).optional(),
  /** Master keys by version: `1:<secret>,2:<secret>`, or `2:aws-kms:<key id or ARN>` for one that AWS KMS keeps. */
  CREDENTIAL_ENCRYPTION_KEYS: z.string().superRefine(checkList).optional(),
  /** A file with such a list, one a line. It is read again while the service runs: new versions need no restart. */
  CREDENTIAL_ENCRYPTION_KEYS_FILE: z.string().min(1).optional(),
} as const;

/** The settings `masterKeySettingsShape` yields. */
export type MasterKeySettings = Readonly<z.infer<z.ZodObject<typeof masterKeySettingsShape>>>;

function checkList(text: string, ctx: z.RefinementCtx): void {
  try {
    parseMasterKeys(text, awsKmsWrapper);
  } catch (error) {
    if (!(error instanceof MasterKeyListError)) throw error;
    ctx.addIssue({ code: "custom", message: error.message });
  }
}

/** The environment, with the simple setting shown as the one that is wrong when no master key is set at all. */
export function withMasterKeyRequired(env: Environment): Environment {
  const isSet = Object.keys(masterKeySettingsShape).some((name) => (env[name] ?? "") !== "");
  // Missing and too short are one mistake with one answer.
  return isSet ? env : { ...env, CREDENTIAL_ENCRYPTION_KEY: "-" };
}

/** The master keys of this installation. Outside the local world a file that holds a secret of the demo world is refused. */
export function masterKeysOf(settings: MasterKeySettings & { readonly PAYMESH_ENV: string }): MasterKeySource {
  const source = configuredMasterKeys({
    secret: settings.CREDENTIAL_ENCRYPTION_KEY,
    list: settings.CREDENTIAL_ENCRYPTION_KEYS,
    file: settings.CREDENTIAL_ENCRYPTION_KEYS_FILE,
    wrapperOf: awsKmsWrapper,
  });
  if (settings.PAYMESH_ENV === "local") return source;
  return {
    ...source,
    read: async () => {
      const entries = await source.read();
      for (const [version, entry] of entries) {
        if (entry.kind === "secret" && holdsDemoSecret(entry.secret)) {
          throw new MasterKeyListError(`master key version ${version} holds a secret of the demo world`);
        }
      }
      return entries;
    },
  };
}
