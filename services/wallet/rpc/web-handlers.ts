import type { Wallet } from "../../../gen/es/paymesh/wallet/v1/wallet_pb.js";
import { DomainError } from "../../platform/errors/domain-error.ts";
import type { CallContext } from "../../platform/rpc/call-context.ts";
import type { Handlers } from "../../platform/rpc/service-implementation.ts";
import { splitName } from "../domain/person-name.ts";
import { signInByPassword } from "../flows/sign-in-by-password.ts";
import type { WalletDeps } from "../flows/wallet-deps.ts";
import { clearedSessionCookie, openWebSession, readWebSession } from "../flows/web-session.ts";
import { listActiveCards } from "../storage/cards-store.ts";
import { listLiveEnrolments } from "../storage/enrolments-store.ts";
import { findUserById, type User } from "../storage/users-store.ts";
import { revokeWebSession } from "../storage/web-sessions-store.ts";
import { refuseOtherSites, userIdOf } from "./callers.ts";

type WebHandlers = Pick<
  Handlers<typeof Wallet>,
  "signInOnWeb" | "getWebUser" | "getWebSession" | "checkWebSession" | "signOutOnWeb" | "getWebProfile"
>;

/** Sign-ins of browsers. */
export function webHandlers(deps: WalletDeps): WebHandlers {
  const currentUser = async (ctx: CallContext): Promise<User> => {
    const user = await findUserById(deps.db.query, userIdOf(ctx));
    if (user === undefined) throw new DomainError("NOT_FOUND");
    return user;
  };
  return {
    signInOnWeb: async ({ email, password }, ctx) => {
      refuseOtherSites(ctx);
      const { user, signedIn } = await signInByPassword(deps, { email, password }, (tx, { userId, verifiedAt }) =>
        openWebSession(deps, tx, { userId, verified: verifiedAt !== null }),
      ).catch(asUnauthorized);
      await endPresentSession(deps, ctx);
      ctx.setHeader("set-cookie", signedIn.cookie);
      return webUser(user);
    },
    getWebUser: async (_request, ctx) => webUser(await currentUser(ctx)),
    getWebSession: async (_request, ctx) => {
      if (ctx.principal.kind !== "web_user") return { authenticated: false };
      const user = await findUserById(deps.db.query, ctx.principal.userId);
      return user === undefined ? { authenticated: false } : { authenticated: true, user: webUser(user) };
    },
    checkWebSession: async ({ cookie }) => {
      const userId = (await readWebSession(deps, cookie))?.userId ?? undefined;
      // As on the wallet's own pages: a session that only ties an enrolment to its browser is nobody's.
      if (userId === undefined || (await findUserById(deps.db.query, userId)) === undefined) {
        throw new DomainError("UNAUTHENTICATED");
      }
      return { userId };
    },
    signOutOnWeb: async (_request, ctx) => {
      refuseOtherSites(ctx);
      await endPresentSession(deps, ctx);
      ctx.setHeader("set-cookie", clearedSessionCookie(deps));
      return { success: true };
    },
    getWebProfile: async (_request, ctx) => {
      const user = await currentUser(ctx);
      const [cards, enrolments] = await Promise.all([
        listActiveCards(deps.db.query, user.userId),
        listLiveEnrolments(deps.db.query, user.userId),
      ]);
      return {
        ...webUser(user),
        ...splitName(user.name),
        cardCount: cards.length,
        enrollmentCount: enrolments.length,
        createdAt: user.createdAt.toISOString(),
      };
    },
  };
}

/** This route's clients know one word for wrong credentials. */
function asUnauthorized(error: unknown): never {
  if (error instanceof DomainError && error.reason === "INVALID_CREDENTIALS") {
    throw new DomainError("UNAUTHENTICATED", {}, { cause: error });
  }
  throw error;
}

async function endPresentSession(deps: WalletDeps, ctx: CallContext): Promise<void> {
  const session = await readWebSession(deps, ctx.header("cookie"));
  if (session !== undefined) await revokeWebSession(deps.db.query, session.sessionId, deps.clock.now());
}

function webUser(user: User) {
  return { id: user.userId, email: user.email, walletId: user.walletId };
}
