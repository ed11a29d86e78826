import { fromJson } from "@bufbuild/protobuf";
import { ListValueSchema } from "@bufbuild/protobuf/wkt";
import type { Wallet } from "../../../gen/es/paymesh/wallet/v1/wallet_pb.js";
import { DomainError } from "../../platform/errors/domain-error.ts";
import { toMajorNumber } from "../../platform/money/amount.ts";
import type { Handlers } from "../../platform/rpc/service-implementation.ts";
import { bankDisplayName } from "../clients/bank-directory.ts";
import type { ConnectedAccount } from "../clients/credential-connections.ts";
import { type ConnectedError, listAccounts } from "../flows/list-accounts.ts";
import { observeEnrolments } from "../flows/observe-connections.ts";
import type { WalletDeps } from "../flows/wallet-deps.ts";
import { listActiveCards } from "../storage/cards-store.ts";
import { findUserById, type User } from "../storage/users-store.ts";
import { outgoing, userIdOf } from "./callers.ts";
import { optionalField } from "./optional-field.ts";

type WalletViewHandlers = Pick<Handlers<typeof Wallet>, "getWalletSummary" | "listAccounts">;

/** The phone's main screen and the accounts of every bank. */
export function walletViewHandlers(deps: WalletDeps): WalletViewHandlers {
  return {
    getWalletSummary: async (_request, ctx) => {
      const userId = userIdOf(ctx);
      const [user, cards, enrolments] = await Promise.all([
        findUserById(deps.db.query, userId),
        listActiveCards(deps.db.query, userId),
        observeEnrolments(deps, userId, outgoing(ctx)),
      ]);
      if (user === undefined) throw new DomainError("NOT_FOUND");
      return {
        user: summaryUser(user),
        cards: cards.map((card) => ({
          id: card.cardId,
          lastFour: card.lastFour,
          cardType: card.cardType,
          ...bankFields(deps, card.bsimId),
          isDefault: card.isDefault,
          addedAt: card.addedAt.toISOString(),
        })),
        enrolledBanks: enrolments.map((enrolment) => ({
          bsimId: enrolment.bsimId,
          name: bankDisplayName(deps.directory, enrolment.bsimId),
          ...optionalField("logoUrl", deps.directory.bank(enrolment.bsimId)?.logoUrl),
          cardCount: enrolment.cardCount,
          enrolledAt: enrolment.enrolledAt.toISOString(),
          ...optionalField("credentialExpiry", enrolment.credentialExpiresAt?.toISOString()),
        })),
        biometricEnabled: false,
      };
    },
    listAccounts: async (_request, ctx) => {
      const overview = await listAccounts(deps, userIdOf(ctx), outgoing(ctx));
      const errors = [...overview.errors.map(plainError), ...overview.connectedErrors.map(plainConnectedError)];
      const ofBanks = overview.accounts.map((account) => ({
        accountId: account.accountId,
        accountType: account.accountType,
        displayName: `${account.accountType} ${account.maskedNumber}`.trim(),
        balance: toMajorNumber(account.balanceMinor, account.currency),
        currency: account.currency,
        ...bankFields(deps, account.bsimId),
        bsimId: account.bsimId,
      }));
      return {
        accounts: [...ofBanks, ...overview.connectedAccounts.map(connectedAccountMessage)],
        ...(errors.length === 0 ? {} : { errors: fromJson(ListValueSchema, errors) }),
      };
    },
  };
}

function summaryUser(user: User) {
  const { userId: id, email, name, walletId, createdAt, verifiedAt } = user;
  return {
    id,
    email,
    name,
    walletId,
    createdAt: createdAt.toISOString(),
    isVerified: verifiedAt !== null,
    ...optionalField("verifiedAt", verifiedAt?.toISOString()),
    // A proved address is the lowest level; identity papers come with a later feature.
    verificationLevel: verifiedAt === null ? "none" : "basic",
  };
}

function bankFields(deps: Pick<WalletDeps, "directory">, bsimId: string) {
  return {
    bankName: bankDisplayName(deps.directory, bsimId),
    ...optionalField("bankLogoUrl", deps.directory.bank(bsimId)?.logoUrl),
  };
}

/** An account at a data provider, in the shape of a bank's. */
function connectedAccountMessage(account: ConnectedAccount) {
  const { connector, connectionId, accountId, accountType, currency, balanceMinor } = account;
  const name = account.displayName === "" ? accountType : account.displayName;
  return {
    accountId,
    accountType,
    displayName: `${name} ${account.maskedNumber}`.trim(),
    ...(balanceMinor === undefined ? {} : { balance: toMajorNumber(balanceMinor, currency) }),
    currency,
    bankName: account.institutionName === "" ? connector : account.institutionName,
    bsimId: idAtProvider(account),
    connector,
    connectionId,
  };
}

function idAtProvider({ connector, institutionId }: { connector: string; institutionId: string }): string {
  return institutionId === "" ? connector : `${connector}:${institutionId}`;
}

function plainConnectedError(failed: ConnectedError) {
  const { connector, connectionId, error, message, action } = failed;
  return {
    bsimId: idAtProvider(failed),
    connector,
    ...optionalField("connectionId", connectionId),
    error,
    message,
    ...optionalField("action", action),
  };
}

/** JSON has no undefined: an action that is not there is left out. */
function plainError({ bsimId, error, message, action }: Awaited<ReturnType<typeof listAccounts>>["errors"][number]) {
  return { bsimId, error, message, ...optionalField("action", action) };
}
