/** The steps of a job, in order. */
export const stepTitles = ["verify-credentials", "retrieve-accounts", "retrieve-transactions"] as const;

/** One of {@link stepTitles}. */
export type StepTitle = (typeof stepTitles)[number];

/** What a step came to; the path of a success is told as an address. */
export type StepResult =
  | { readonly type: "link"; readonly path: string }
  | { readonly type: "error"; readonly code: string; readonly title: string; readonly detail: string };

/** A step as it stands. */
export interface JobStep {
  readonly title: StepTitle;
  readonly status: "pending" | "in-progress" | "success" | "failed";
  readonly result: StepResult | null;
}

/** Whose data a job fetches. */
export interface JobSubject {
  readonly userId: string;
  readonly connectionId: string;
}

/** How a step ended. */
export interface SteppedJob {
  readonly steps: readonly JobStep[];
  readonly step: StepTitle;
  readonly failed: boolean;
  readonly isOver: boolean;
}

/** A job that has just begun. */
export function firstSteps(): readonly JobStep[] {
  return stepTitles.map((title, index) => ({ title, status: index === 0 ? "in-progress" : "pending", result: null }));
}

/** Ends the step under way, well or with a code; the next one begins. Undefined for a job that is over. */
export function endStep(
  steps: readonly JobStep[],
  subject: JobSubject,
  failure: { readonly step: string; readonly code: string } | undefined,
): SteppedJob | undefined {
  const at = steps.findIndex((each) => each.status === "in-progress");
  const current = steps[at];
  if (current === undefined) return undefined;
  const failed = failure?.step === current.title;
  const result: StepResult = failed
    ? errorResult(failure.code)
    : { type: "link", path: pathOf(current.title, subject) };
  const ended = steps.map((each, index): JobStep => {
    if (index === at) return { ...each, status: failed ? "failed" : "success", result };
    return index === at + 1 && !failed ? { ...each, status: "in-progress" } : each;
  });
  return { steps: ended, step: current.title, failed, isOver: failed || at === steps.length - 1 };
}

function pathOf(title: StepTitle, { userId, connectionId }: JobSubject): string {
  switch (title) {
    case "verify-credentials":
      return `/users/${userId}/connections/${connectionId}`;
    case "retrieve-accounts":
      return `/users/${userId}/accounts?filter=connection.id.eq('${connectionId}')`;
    case "retrieve-transactions":
      return `/users/${userId}/transactions?filter=connection.id.eq('${connectionId}')`;
    default: {
      const impossible: never = title;
      throw new Error(`unreachable step ${String(impossible)}`);
    }
  }
}

function errorResult(code: string): StepResult {
  const words = code.replaceAll("-", " ");
  const title = words.charAt(0).toUpperCase() + words.slice(1);
  return { type: "error", code, title, detail: `The institution could not be read: ${words}.` };
}
