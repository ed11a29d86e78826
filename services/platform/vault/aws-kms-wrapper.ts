import type { KMSClient } from "@aws-sdk/client-kms";
import { MasterKeyError } from "./master-key-error.ts";
import type { KeyWrapper } from "./master-key-source.ts";

const requestTimeoutMs = 5_000;
const attemptsMax = 3;

/** KMS refuses for good: the key, its policy, or what it is asked to open. Anything else may be over in a moment. */
const refusals = new Set([
  "AccessDeniedException",
  "DisabledException",
  "IncorrectKeyException",
  "InvalidCiphertextException",
  "InvalidKeyUsageException",
  "KMSInvalidStateException",
  "NotFoundException",
]);

/**
 * Keeps master keys under a key of AWS KMS, named by id, alias or ARN. Region, credentials and endpoint come from where AWS's own
 * client looks for them (`AWS_REGION`, `AWS_ENDPOINT_URL_KMS`, roles); an ARN brings its region along. The client is loaded when
 * a key is first asked for, so that installations without KMS never load it.
 */
export function awsKmsWrapper(keyId: string): KeyWrapper {
  let client: Promise<KMSClient> | undefined;
  const kms = (): Promise<KMSClient> => {
    client ??= openClient(keyId);
    return client;
  };
  return {
    generate: async (context) => {
      const { GenerateDataKeyCommand } = await import("@aws-sdk/client-kms");
      const asked = new GenerateDataKeyCommand({ KeyId: keyId, KeySpec: "AES_256", EncryptionContext: { ...context } });
      const answer = await refusalNamed(keyId, (await kms()).send(asked));
      return { key: bytesOf(answer.Plaintext), wrapped: bytesOf(answer.CiphertextBlob) };
    },
    unwrap: async (wrapped, context) => {
      const { DecryptCommand } = await import("@aws-sdk/client-kms");
      // The key is named: what another key of the account wrapped is refused.
      const asked = new DecryptCommand({ KeyId: keyId, CiphertextBlob: wrapped, EncryptionContext: { ...context } });
      const answer = await refusalNamed(keyId, (await kms()).send(asked));
      return bytesOf(answer.Plaintext);
    },
  };
}

async function openClient(keyId: string): Promise<KMSClient> {
  const { KMSClient } = await import("@aws-sdk/client-kms");
  const region = /^arn:[^:]+:kms:([^:]+):/.exec(keyId)?.[1];
  return new KMSClient({
    ...(region === undefined ? {} : { region }),
    maxAttempts: attemptsMax,
    requestHandler: { requestTimeout: requestTimeoutMs, connectionTimeout: requestTimeoutMs },
  });
}

async function refusalNamed<T>(keyId: string, answer: Promise<T>): Promise<T> {
  try {
    return await answer;
  } catch (cause) {
    if (!(cause instanceof Error) || !refusals.has(cause.name)) throw cause;
    throw new MasterKeyError(`AWS KMS refuses ${keyId}: ${cause.name}`, { cause });
  }
}

function bytesOf(value: Uint8Array | undefined): Buffer {
  if (value === undefined) throw new Error("AWS KMS answered without a key");
  return Buffer.from(value);
}
