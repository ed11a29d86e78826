import { z } from "zod";
import { environmentName, port, secretText, wholeNumber } from "./read-config.ts";

/** Environment variables that every service of the mesh reads; spread into its own schema. */
export const meshConfigShape = {
  PAYMESH_ENV: environmentName,
  /** The address all ports listen on. */
  BIND_HOST: z.string().default("127.0.0.1"),
  GRPC_PORT: port,
  HTTP_PORT: port,
  ADMIN_PORT: port,
  DATABASE_URL: z.url({ protocol: /^postgres(ql)?$/ }),
  DATABASE_SCHEMA: z.string().regex(/^[a-z][a-z0-9_]{0,62}$/),
  /** Connections the process opens at most, all told. */
  DATABASE_POOL_SIZE: wholeNumber({ min: 2, max: 100, otherwise: 14 }),
  TLS_CERT_FILE: z.string().min(1),
  TLS_KEY_FILE: z.string().min(1),
  TLS_CA_FILE: z.string().min(1),
  /** Keys the hashes of API keys and client secrets; the same in all services of one mesh. */
  API_KEY_PEPPER: secretText(32),
  /** `name:key,name:key`. */
  OPERATOR_KEYS: z.string().min(1).transform(parseOperatorKeys),
  /** OTLP over HTTP for traces, such as `http://127.0.0.1:4318/v1/traces`; none are made when unset. */
  OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: z.url().optional(),
  /** Share of new traces recorded. */
  OTEL_TRACES_SAMPLER_ARG: z.coerce.number().min(0).max(1).default(0.01),
} as const;

/** The settings `meshConfigShape` yields. */
export type MeshConfig = Readonly<z.infer<z.ZodObject<typeof meshConfigShape>>>;

/** An operator by name, with the key that proves him. */
export interface OperatorKey {
  readonly name: string;
  readonly key: string;
}

const operatorKeysMax = 50;

// A key opens everything and may be tried as often as anyone likes: short ones are refused in every environment.
function parseOperatorKeys(text: string, ctx: z.RefinementCtx): readonly OperatorKey[] {
  const entries = text.split(",").map((entry) => /^([a-z][a-z0-9-]{0,31}):(\S{16,200})$/.exec(entry.trim()));
  if (entries.length > operatorKeysMax || entries.some((match) => match === null)) {
    ctx.addIssue({ code: "custom", message: "needs name:key pairs separated by commas, keys of 16 to 200 characters" });
    return [];
  }
  return entries.map((match) => ({ name: match?.[1] ?? "", key: match?.[2] ?? "" }));
}
