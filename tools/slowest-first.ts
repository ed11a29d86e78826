import path from "node:path";
import { BaseSequencer, type TestSpecification } from "vitest/node";

/**
 * What takes twenty seconds and more, slowest first. A clean checkout has no times of earlier runs, and a file's size, by which Vitest
 * then orders them, tells little of it: the shortest of these files is one of the slowest.
 */
const slowest: readonly string[] = [
  "e2e/local-start.test.ts",
  "e2e/crashes.test.ts",
  "e2e/replicas.test.ts",
  "e2e/providers-demo.test.ts",
  "e2e/bank-trouble.test.ts",
  "e2e/checkout.test.ts",
  "services/credential/commands/keys.test.ts",
  "services/credential/killed.test.ts",
  "services/bank/http/interaction/interaction.test.ts",
];

/** Begins the slowest test files first, so that none of them is left to run alone while the other workers have nothing to do. */
export class SlowestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    // Groups and projects stay in their order, and so do all others among themselves.
    return sorted.toSorted((one, other) => this.#group(one) - this.#group(other) || rank(one) - rank(other));
  }

  #group({ project }: TestSpecification): number {
    return project.config.sequence.groupOrder;
  }
}

function rank({ project, moduleId }: TestSpecification): number {
  const place = slowest.indexOf(path.relative(project.vitest.config.root, moduleId));
  return place === -1 ? slowest.length : place;
}
