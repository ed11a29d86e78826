import { expect, it } from "vitest";
import { readWalletConfig } from "./config.ts";

const good = {
  PAYMESH_ENV: "production",
  GRPC_PORT: "7103",
  HTTP_PORT: "7203",
  ADMIN_PORT: "7303",
  DATABASE_URL: "postgres://wallet:x@127.0.0.1/paymesh",
  TLS_CERT_FILE: "a",
  TLS_KEY_FILE: "b",
  TLS_CA_FILE: "c",
  API_KEY_PEPPER: "p".repeat(32),
  OPERATOR_KEYS: "ops:0123456789abcdef",
  REGISTRY_ADDRESS: "127.0.0.1:7101",
  CREDENTIAL_ADDRESS: "127.0.0.1:7104",
  WALLET_ENCRYPTION_KEY: "k".repeat(32),
  WALLET_APP_URL: "https://wallet.example/",
  WALLET_OIDC_ISSUER: "https://pay.wallet.example",
  SMTP_URL: "smtps://user:secret@mail.example",
  MAIL_FROM: "wallet@wallet.example",
};

it("takes a whole production configuration, public URLs without a trailing slash", () => {
  expect(readWalletConfig(good)).toMatchObject({ WALLET_APP_URL: "https://wallet.example", WALLET_DEV_CODES: false });
});

it.each([
  [{ WALLET_ENCRYPTION_KEY: "short" }, "WALLET_ENCRYPTION_KEY"],
  [{ WALLET_ENCRYPTION_KEY: "" }, "WALLET_ENCRYPTION_KEY is not set"],
  [{ WALLET_DEV_CODES: "1" }, "WALLET_DEV_CODES"],
  [{ WALLET_APP_URL: "http://wallet.example" }, "WALLET_APP_URL"],
  [{ WALLET_OIDC_ISSUER: "http://pay.wallet.example" }, "WALLET_OIDC_ISSUER"],
  [{ SMTP_URL: "http://mail.example" }, "SMTP_URL"],
])("refuses to start in production with %o", (change, named) => {
  expect(() => readWalletConfig({ ...good, ...change })).toThrow(named);
});

it("lets local mode do without TLS and answer codes", () => {
  const local = { PAYMESH_ENV: "local", WALLET_APP_URL: "http://127.0.0.1:8080", WALLET_DEV_CODES: "1" };
  expect(readWalletConfig({ ...good, ...local })).toMatchObject({ WALLET_DEV_CODES: true });
});
