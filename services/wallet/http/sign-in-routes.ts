import type { FastifyReply, FastifyRequest } from "fastify";
import { DomainError } from "../../platform/errors/domain-error.ts";
import { formText } from "../../platform/http/body-parsers.ts";
import { signInByPassword } from "../flows/sign-in-by-password.ts";
import { startEmailCode } from "../flows/start-email-code.ts";
import { verifyEmailCode } from "../flows/verify-email-code.ts";
import { type OpenedWebSession, openWebSession } from "../flows/web-session.ts";
import type { OidcDeps } from "../oidc/oidc-deps.ts";
import { revokeWebSession } from "../storage/web-sessions-store.ts";
import type { PageContext } from "./page-context.ts";
import {
  codeView,
  type SignInFrame,
  type SignInInput,
  type SignInWay,
  signInTitle,
  signInView,
} from "./sign-in-views.ts";

/** A step of a sign-in on some page: its frame, and where to go once signed in. */
export interface SignInStep {
  readonly frame: SignInFrame;
  readonly next: string;
}

/** Steps of a sign-in, the same for the wallet's own pages and for the payment page. */
export interface SignInRoutes {
  /** Shows the way the address asks for: `?with=password`, `?with=sign-up`, else a code. */
  show(request: FastifyRequest, reply: FastifyReply, step: SignInStep): FastifyReply;
  /** `email` alone sends a code; `email` and `password`, or `challenge` and `code`, sign in. An address alone never does. */
  login(request: FastifyRequest, reply: FastifyReply, step: SignInStep): Promise<FastifyReply>;
  /** Sends a code that makes the account when it is used. */
  signUp(request: FastifyRequest, reply: FastifyReply, step: SignInStep): Promise<FastifyReply>;
}

const words: Readonly<Record<string, string>> = {
  UNAUTHENTICATED: "That code is not right, or it has run out. Check it, or ask for a new one.",
  CODE_TRIES_SPENT: "Too many wrong codes. Ask for a new one.",
  INVALID_CREDENTIALS: "Email or password is wrong.",
  RATE_LIMITED: "Too many tries. Please wait a while and try again.",
  UNAVAILABLE: "Signing in is busy right now. Please try again in a moment.",
};

/** Builds the steps. Forms have been checked for their token before they come here. */
export function createSignInRoutes(deps: OidcDeps, context: PageContext): SignInRoutes {
  const showWay = (reply: FastifyReply, step: SignInStep, way: SignInWay, input: SignInInput = {}) =>
    context.show(reply, {
      title: signInTitle(step.frame, way),
      body: signInView(step.frame, way, input),
      status: input.problem === undefined ? 200 : 400,
    });
  const sendCode = async (
    request: FastifyRequest,
    reply: FastifyReply,
    step: SignInStep,
    given: { email: string; name?: string },
  ) => {
    const signUp = given.name === undefined ? undefined : { name: given.name };
    const { clientAddress } = request;
    const sent = await startEmailCode(deps, { email: given.email, purpose: "web", signUp, clientAddress });
    const body = codeView(step.frame, { challenge: sent.challenge, email: given.email.trim() });
    return context.show(reply, { title: "Check your mail", body });
  };
  const enter = async (request: FastifyRequest, reply: FastifyReply, step: SignInStep, opened: OpenedWebSession) => {
    const { session } = await context.visitor(request);
    // Whoever was signed in here before is not any more: one browser, one person.
    if (session !== undefined) await revokeWebSession(deps.db.query, session.sessionId, deps.clock.now());
    reply.header("set-cookie", opened.cookie);
    return reply.redirect(step.next, 303);
  };
  return {
    show: (request, reply, step) => showWay(reply, step, wayOf(request.query)),
    async login(request, reply, step) {
      const { body } = request;
      const challenge = formText(body, "challenge");
      if (challenge !== undefined) {
        const sentTo = formText(body, "sentTo") ?? "";
        try {
          return await enter(request, reply, step, await byCode(deps, context, request, challenge));
        } catch (error) {
          const problem = problemOf(error);
          if (!(error instanceof DomainError) || error.reason !== "UNAUTHENTICATED") {
            return showWay(reply, step, "code", { email: sentTo, problem });
          }
          const again = codeView(step.frame, { challenge, email: sentTo, problem });
          return context.show(reply, { title: "Check your mail", body: again, status: 400 });
        }
      }
      const email = formText(body, "email") ?? "";
      const password = formText(body, "password");
      try {
        if (password === undefined) return await sendCode(request, reply, step, { email });
        const { signedIn } = await signInByPassword(deps, { email, password }, (tx, { userId, verifiedAt }) =>
          openWebSession(deps, tx, { userId, verified: verifiedAt !== null }),
        );
        return await enter(request, reply, step, signedIn);
      } catch (error) {
        const way = password === undefined ? "code" : "password";
        return showWay(reply, step, way, { email, problem: problemOf(error) });
      }
    },
    async signUp(request, reply, step) {
      const email = formText(request.body, "email") ?? "";
      const name = formText(request.body, "name") ?? "";
      try {
        return await sendCode(request, reply, step, { email, name });
      } catch (error) {
        return showWay(reply, step, "sign-up", { email, name, problem: problemOf(error) });
      }
    },
  };
}

async function byCode(
  deps: OidcDeps,
  context: PageContext,
  request: FastifyRequest,
  challenge: string,
): Promise<OpenedWebSession> {
  const { session } = await context.visitor(request);
  const code = (formText(request.body, "code") ?? "").replaceAll(/\s/g, "");
  const { signedIn } = await verifyEmailCode(
    deps,
    { purpose: "web", challenge, code, webSessionId: session?.sessionId },
    (tx, user) => openWebSession(deps, tx, { userId: user.userId, verified: true }),
  );
  return signedIn;
}

function wayOf(query: unknown): SignInWay {
  const way: unknown = typeof query === "object" && query !== null ? Reflect.get(query, "with") : undefined;
  return way === "password" || way === "sign-up" ? way : "code";
}

/** The sentence for a refusal; anything unexpected goes on to the log and the common error page. */
function problemOf(error: unknown): string {
  if (!(error instanceof DomainError)) throw error;
  const known = words[error.reason];
  if (known !== undefined) return known;
  if (error.reason === "INVALID_ARGUMENT" && typeof error.facts["why"] === "string") return `${error.facts["why"]}.`;
  throw error;
}
