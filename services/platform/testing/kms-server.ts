import { createCipheriv, createDecipheriv, createHash, randomBytes } from "node:crypto";
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { z } from "zod";

/** A stand-in for AWS KMS: its JSON protocol over HTTP, for the operations that keep a key. */
export interface KmsServer {
  readonly url: string;
  readonly keyArn: string;
  /** What was asked, oldest first. */
  readonly calls: { readonly operation: string; readonly context: Readonly<Record<string, string>> }[];
  /** Answers every request with this status and error from now on; undefined: works again. */
  fail(failure: { readonly status: number; readonly type: string } | undefined): void;
  close(): Promise<void>;
}

const body = z.object({
  KeyId: z.string().optional(),
  KeySpec: z.string().optional(),
  Plaintext: z.base64().optional(),
  CiphertextBlob: z.base64().optional(),
  EncryptionContext: z.record(z.string(), z.string()).default({}),
});
type Body = z.infer<typeof body>;

class KmsFailure extends Error {
  readonly type: string;
  constructor(type: string) {
    super(type);
    this.type = type;
  }
}

/** Starts one with one key. It checks what KMS checks: the key, the signature's presence, and the encryption context. */
export async function startKmsServer(): Promise<KmsServer> {
  const keyArn = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";
  const key = randomBytes(32);
  const calls: KmsServer["calls"] = [];
  let failure: { status: number; type: string } | undefined;
  const server = createServer((request, response) => {
    const respond = (status: number, answer: object): void => {
      response.writeHead(status, { "content-type": "application/x-amz-json-1.1" });
      response.end(JSON.stringify(answer));
    };
    readBody(request)
      .then((asked) => {
        if (failure !== undefined) return respond(failure.status, { __type: failure.type });
        const operation = String(request.headers["x-amz-target"]).replace(/^TrentService\./, "");
        if (!/^AWS4-HMAC-SHA256 Credential=/.test(request.headers.authorization ?? "")) {
          return respond(400, { __type: "MissingAuthenticationTokenException" });
        }
        calls.push({ operation, context: asked.EncryptionContext });
        respond(200, answerOf(operation, asked, { key, keyArn }));
      })
      .catch((error: unknown) =>
        respond(400, { __type: error instanceof KmsFailure ? error.type : "ValidationException" }),
      );
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo; // listens on a port
  return {
    url: `http://127.0.0.1:${port}`,
    keyArn,
    calls,
    fail: (next) => {
      failure = next;
    },
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function readBody(request: IncomingMessage): Promise<Body> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk);
  return body.parse(JSON.parse(Buffer.concat(chunks).toString("utf8")));
}

function answerOf(operation: string, asked: Body, kms: { key: Buffer; keyArn: string }): object {
  if (asked.KeyId !== undefined && asked.KeyId !== kms.keyArn) throw new KmsFailure("NotFoundException");
  switch (operation) {
    case "GenerateDataKey": {
      if (asked.KeySpec !== "AES_256") throw new KmsFailure("ValidationException");
      const made = randomBytes(32);
      return { KeyId: kms.keyArn, Plaintext: made.toString("base64"), CiphertextBlob: seal(kms.key, made, asked) };
    }
    case "Encrypt":
      return {
        KeyId: kms.keyArn,
        CiphertextBlob: seal(kms.key, Buffer.from(asked.Plaintext ?? "", "base64"), asked),
      };
    case "Decrypt":
      return { KeyId: kms.keyArn, Plaintext: open(kms.key, asked), EncryptionAlgorithm: "SYMMETRIC_DEFAULT" };
    default:
      throw new KmsFailure("UnknownOperationException");
  }
}

/** KMS authenticates the encryption context, whatever the order of its members. */
function contextData(asked: Body): Buffer {
  return createHash("sha256")
    .update(JSON.stringify(Object.entries(asked.EncryptionContext).sort()))
    .digest();
}

function seal(key: Buffer, plaintext: Buffer, asked: Body): string {
  const nonce = randomBytes(12);
  const cipher = createCipheriv("aes-256-gcm", key, nonce).setAAD(contextData(asked));
  return Buffer.concat([nonce, cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]).toString("base64");
}

function open(key: Buffer, asked: Body): string {
  const blob = Buffer.from(asked.CiphertextBlob ?? "", "base64");
  try {
    const decipher = createDecipheriv("aes-256-gcm", key, blob.subarray(0, 12)).setAAD(contextData(asked));
    decipher.setAuthTag(blob.subarray(-16));
    return Buffer.concat([decipher.update(blob.subarray(12, -16)), decipher.final()]).toString("base64");
  } catch {
    throw new KmsFailure("InvalidCiphertextException");
  }
}
