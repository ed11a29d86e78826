import { actions, alert, button, field, form, hidden } from "../../platform/pages/components.ts";
import { html, type SafeHtml } from "../../platform/pages/html.ts";

/** Where a sign-in stands: its forms post below `base`; `above` tells what it is for, `below` offers the way out. */
export interface SignInFrame {
  readonly base: string;
  readonly csrf: string;
  readonly title: string;
  readonly lead: string;
  readonly above?: SafeHtml;
  readonly below?: SafeHtml;
}

/** What was typed, and what is wrong with it. */
export interface SignInInput {
  readonly email?: string | undefined;
  readonly name?: string | undefined;
  readonly problem?: string | undefined;
}

/** The ways to sign in. */
export type SignInWay = "code" | "password" | "sign-up";

const emailField = (input: SignInInput): SafeHtml =>
  field({ name: "email", label: "Email", type: "email", value: input.email, autocomplete: "email", maxLength: 254 });

/** What the first step of a way is called, in the document's title and at its head. */
export function signInTitle(frame: SignInFrame, way: SignInWay): string {
  return way === "sign-up" ? "Create your wallet" : frame.title;
}

/** The first step of a way to sign in. */
export function signInView(frame: SignInFrame, way: SignInWay, input: SignInInput = {}): SafeHtml {
  const problem = input.problem !== undefined && alert({ kind: "error", text: input.problem });
  switch (way) {
    case "code":
      return sheet(
        frame,
        html`${problem}${form({
          action: `${frame.base}/login`,
          csrf: frame.csrf,
          body: html`${emailField(input)}${actions([button({ label: "Continue" })])}`,
        })}${otherWays(frame, ["sign-up", "password"])}`,
      );
    case "password":
      return sheet(
        frame,
        html`${problem}${form({
          action: `${frame.base}/login`,
          csrf: frame.csrf,
          body: html`${emailField(input)}${field({ name: "password", label: "Password", type: "password", autocomplete: "current-password", maxLength: 200 })}${actions([button({ label: "Sign in" })])}`,
        })}${otherWays(frame, ["code", "sign-up"])}`,
      );
    case "sign-up":
      return sheet(
        { ...frame, title: signInTitle(frame, way), lead: "We send a code to your address to make sure it is yours." },
        html`${problem}${form({
          action: `${frame.base}/sign-up`,
          csrf: frame.csrf,
          body: html`${emailField(input)}${field({ name: "name", label: "Name", value: input.name, autocomplete: "name", maxLength: 100 })}${actions([button({ label: "Sign up" })])}`,
        })}${otherWays(frame, ["code", "password"])}`,
      );
    default: {
      const impossible: never = way;
      throw new Error(`unreachable way ${String(impossible)}`);
    }
  }
}

/** The second step: the code that was mailed. */
export function codeView(frame: SignInFrame, sent: { challenge: string; email: string; problem?: string }): SafeHtml {
  const resend = form({
    action: `${frame.base}/login`,
    csrf: frame.csrf,
    body: html`${hidden("email", sent.email)}${button({ label: "Send a new code", kind: "quiet" })}`,
  });
  return sheet(
    {
      ...frame,
      title: "Check your mail",
      lead: `We sent a six-digit code to ${sent.email}. It works for five minutes.`,
    },
    html`${sent.problem !== undefined && alert({ kind: "error", text: sent.problem })}${form({
      action: `${frame.base}/login`,
      csrf: frame.csrf,
      body: html`${hidden("challenge", sent.challenge)}${hidden("sentTo", sent.email)}${field({ name: "code", label: "Code", code: true, inputMode: "numeric", autocomplete: "one-time-code", maxLength: 12, autofocus: true })}${actions([button({ label: "Sign in" })])}`,
    })}${resend}`,
  );
}

function sheet(frame: SignInFrame, body: SafeHtml): SafeHtml {
  return html`${frame.above}<section class="panel"><h1>${frame.title}</h1><p class="lead">${frame.lead}</p>${body}</section>${frame.below}`;
}

const wayNames: Readonly<Record<SignInWay, string>> = {
  code: "Sign in with a code",
  password: "Sign in with your password",
  "sign-up": "New here? Create a wallet",
};

function otherWays(frame: SignInFrame, ways: readonly SignInWay[]): SafeHtml {
  return html`<ul class="ways">${ways.map((way) => html`<li><a href="${frame.base}?with=${way}">${wayNames[way]}</a></li>`)}</ul>`;
}
