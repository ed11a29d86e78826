import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import type { Credential, LoggedConnectEmailSchema } from "../../../gen/es/paymesh/credential/v1/credential_pb.js";
import { DomainError } from "../../platform/errors/domain-error.ts";
import type { CallContext } from "../../platform/rpc/call-context.ts";
import type { Handlers } from "../../platform/rpc/service-implementation.ts";
import type { CustomerType } from "../connectors/client-connector.ts";
import { clientConnector, ensureClient } from "../flows/client-customers.ts";
import { makeClientLink, sendClientEmail } from "../flows/client-links.ts";
import { clientOverview } from "../flows/client-overview.ts";
import { callFor } from "../flows/dependencies.ts";
import { disconnectClient } from "../flows/disconnect-client.ts";
import { connectEndPath, type LinkAddresses } from "../flows/link-connector.ts";
import { type ClientEmail, listClientEmails } from "../flows/list-client-emails.ts";
import { fromProvider } from "../flows/provider-failure.ts";
import { refreshClient } from "../flows/refresh-client.ts";
import { type ClientKey, findConnectionOfAccount, findConnectionOfLogin } from "../storage/client-store.ts";
import type { HandlerParts } from "./connection-handlers.ts";
import type { ConnectorHandlerParts } from "./connector-handlers.ts";
import { connectedAccountMessage, connectedTransactionMessage } from "./connector-messages.ts";
import { readTransactionPage } from "./read-transaction-page.ts";
import { callerOf, firmOf, ownerOf, pageOf, pageTokenOf, readPage, timeOf } from "./request-parts.ts";

const connector = "mastercard";
const textLengthMax = 200;
const signatureLinesMax = 10;

type All = Handlers<typeof Credential>;

/** Firms and their clients at Mastercard Open Finance. The firm is whose key proves the call; a field never says it. */
export function clientConsentHandlers({
  deps,
  addresses,
}: ConnectorHandlerParts): Pick<All, "putClientCustomer" | "sendConnectEmail" | "createConnectUrl"> {
  return {
    putClientCustomer: async ({ clientId, type }, ctx) => {
      const request = { key: clientKey(ctx, clientId), type: typeOf(type) };
      const { client, isNew } = await ensureClient(deps, request, callerOf(ctx));
      if (isNew) ctx.setHttpStatus(201);
      const { customerId, customerType, createdAt } = client;
      return { clientId, customerId, type: customerType, createdAt: timestampFromDate(createdAt) };
    },
    sendConnectEmail: async (request, ctx) => {
      const { clientId, signature, consumerId, language } = request;
      const redirectUri = endOf(addresses, request.redirectUri);
      const { to, firstName, from, subject, supportPhone, institutionName, institutionAddress } = request;
      assertEmail(to);
      const texts = {
        firstName,
        from,
        subject,
        supportPhone,
        institutionName,
        institutionAddress,
        consumerId,
        language,
      };
      for (const [name, text] of Object.entries(texts)) assertText(name, text);
      for (const line of signature) assertText("signature", line);
      if (signature.length > signatureLinesMax) {
        throw new DomainError("INVALID_ARGUMENT", { why: `signature has at most ${signatureLinesMax} lines` });
      }
      const email = { to, firstName, from, subject, supportPhone, institutionName, institutionAddress, signature };
      const command = { key: clientKey(ctx, clientId), email, language, consumerId, redirectUri };
      const { link, expiresAt } = await sendClientEmail(deps, command, callerOf(ctx));
      return { link, ttlExpiresAt: timestampFromDate(expiresAt), status: "sent" };
    },
    createConnectUrl: async ({ clientId, institutionLoginId: loginId, ...request }, ctx) => {
      const redirectUri = endOf(addresses, request.redirectUri);
      const command = { key: clientKey(ctx, clientId), redirectUri, loginId };
      const { link, expiresAt } = await makeClientLink(deps, command, callerOf(ctx));
      return { link, expiresAt: timestampFromDate(expiresAt) };
    },
  };
}

/** What firms read of their clients. */
export function clientDataHandlers({
  deps,
}: HandlerParts): Pick<
  All,
  | "getOpenBankingClient"
  | "refreshOpenBankingClient"
  | "disconnectOpenBankingClient"
  | "listConnectEmails"
  | "listOpenBankingTransactions"
  | "getAuthorizationWindow"
> {
  return {
    getOpenBankingClient: async ({ clientId }, ctx) => {
      const { client, badge, errorCode, action, accounts } = await clientOverview(deps, clientKey(ctx, clientId));
      return {
        clientId,
        customerId: client.customerId,
        badge,
        step: client.step,
        ...(errorCode === undefined ? {} : { errorCode }),
        ...(action === undefined ? {} : { action }),
        accounts: accounts.map(({ connection, account }) => ({
          account: connectedAccountMessage(account),
          connectionId: connection.connectionId,
          institutionId: connection.institutionId,
          institutionName: connection.institutionName,
          institutionLoginId: connection.ownerReference,
          state: connection.state,
          status: connection.status,
          ...(connection.consentExpiresAt && { authorizationEndsAt: timestampFromDate(connection.consentExpiresAt) }),
        })),
      };
    },
    refreshOpenBankingClient: async ({ clientId }, ctx) => {
      const jobIds = await refreshClient(deps, clientKey(ctx, clientId), callerOf(ctx));
      ctx.setHttpStatus(202);
      return { jobIds: [...jobIds] };
    },
    disconnectOpenBankingClient: async ({ clientId, institutionLoginId: loginId }, ctx) => {
      const ended = await disconnectClient(deps, { key: clientKey(ctx, clientId), loginId }, callerOf(ctx));
      return { success: true, disconnected: ended.logins, revokedAtProvider: ended.isConfirmed };
    },
    listConnectEmails: async ({ clientId, ...request }, ctx) => {
      const { limit, after } = pageOf(request);
      const cursor = after && { createdAt: after.since, emailId: after.connectionId };
      const page = { after: cursor, limit };
      const { emails, hasMore } = await listClientEmails(deps, clientKey(ctx, clientId), page, callerOf(ctx));
      const last = hasMore ? emails.at(-1) : undefined;
      const nextPageToken = last === undefined ? "" : pageTokenOf({ at: last.createdAt, id: last.emailId });
      return { emails: emails.map(emailMessage), nextPageToken };
    },
    listOpenBankingTransactions: async ({ accountId, ...request }, ctx) => {
      const paged = readPage(request);
      const query = { ...paged, accountId, from: timeOf("from", request.from), to: timeOf("to", request.to) };
      const account = { tenant: firmOf(ctx), connector, accountId };
      const connection = await findConnectionOfAccount(deps.storage.db.query, account);
      if (connection === undefined) throw new DomainError("ACCOUNT_NOT_FOUND");
      const page = await readTransactionPage(deps.storage.db.query, connection, query);
      return { ...page, transactions: page.transactions.map(connectedTransactionMessage) };
    },
    getAuthorizationWindow: async ({ institutionLoginId: loginId }, ctx) => {
      const login = { tenant: firmOf(ctx), connector, loginId };
      if ((await findConnectionOfLogin(deps.storage.db.query, login)) === undefined) {
        throw new DomainError("LOGIN_NOT_FOUND");
      }
      const call = callFor(deps, callerOf(ctx));
      const asked = { connector, operation: "find_authorization_window" };
      const answer = clientConnector(deps, connector).authorizationWindow(loginId, call);
      const window = await fromProvider(deps, asked, answer);
      if (window.kind !== "window") return { institutionLoginId: loginId, status: window.kind };
      return {
        institutionLoginId: loginId,
        status: "authorized",
        ...(window.startsAt && { authorizationStartDate: timestampFromDate(window.startsAt) }),
        ...(window.endsAt && { authorizationEndDate: timestampFromDate(window.endsAt) }),
      };
    },
  };
}

/** Where Connect ends: where the firm says, else on our page, else, where browsers do not reach us, on Connect's own. */
function endOf({ publicUrl }: LinkAddresses, given: string): string {
  return given !== "" || publicUrl === "" ? given : `${publicUrl}${connectEndPath}`;
}

function emailMessage(email: ClientEmail): MessageInitShape<typeof LoggedConnectEmailSchema> {
  const { emailId, to, status, link, expiresAt, createdAt } = email;
  return {
    emailId,
    to,
    status,
    link: link ?? "",
    ...(expiresAt && { ttlExpiresAt: timestampFromDate(expiresAt) }),
    createdAt: timestampFromDate(createdAt),
  };
}

function clientKey(ctx: CallContext, clientId: string): ClientKey {
  return { owner: ownerOf({ tenant: firmOf(ctx), userId: clientId }), connector };
}

function typeOf(text: string): CustomerType | undefined {
  if (text === "") return undefined;
  if (text === "testing" || text === "active") return text;
  throw new DomainError("INVALID_ARGUMENT", { why: "type must be testing or active" });
}

function assertEmail(text: string): void {
  if (text.length > 255 || !/^[^\s@<>,;"]+@[^\s@<>,;"]+\.[^\s@<>,;"]+$/.test(text)) {
    throw new DomainError("INVALID_ARGUMENT", { why: "to must be an e-mail address" });
  }
}

/** Texts end up in an e-mail: one line each. */
function assertText(name: string, text: string): void {
  if (text.length > textLengthMax || !text.isWellFormed() || /\p{Cc}/u.test(text)) {
    throw new DomainError("INVALID_ARGUMENT", {
      why: `${name} must be one line of at most ${textLengthMax} characters`,
    });
  }
}
