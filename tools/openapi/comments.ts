import type { DescField, DescMessage, DescMethod, FileRegistry } from "@bufbuild/protobuf";

/** Comments of the contract's elements as plain paragraphs; "" where there is none. */
export interface ContractComments {
  ofMethod(method: DescMethod): string;
  ofMessage(message: DescMessage): string;
  ofField(field: DescField): string;
}

// Field numbers of FileDescriptorProto and DescriptorProto, of which source paths are made.
const messageTag = 4;
const serviceTag = 6;
const fieldTag = 2;
const methodTag = 2;
const nestedTag = 3;

/** Indexes the comments of a registry made from descriptors with source information. */
export function readComments(registry: FileRegistry): ContractComments {
  const byPath = new Map<string, string>();
  for (const file of registry.files) {
    for (const location of file.proto.sourceCodeInfo?.location ?? []) {
      if (location.leadingComments === "") continue;
      byPath.set(`${file.name}:${location.path.join(",")}`, tidy(location.leadingComments));
    }
  }
  const find = (fileName: string, path: readonly number[]): string => byPath.get(`${fileName}:${path.join(",")}`) ?? "";
  return {
    ofMethod(method) {
      const { parent } = method;
      const serviceIndex = parent.file.services.indexOf(parent);
      return find(parent.file.name, [serviceTag, serviceIndex, methodTag, parent.methods.indexOf(method)]);
    },
    ofMessage: (message) => find(message.file.name, messagePath(message)),
    ofField: (field) =>
      find(field.parent.file.name, [...messagePath(field.parent), fieldTag, field.parent.fields.indexOf(field)]),
  };
}

function messagePath(message: DescMessage): number[] {
  if (message.parent === undefined) return [messageTag, message.file.messages.indexOf(message)];
  return [...messagePath(message.parent), nestedTag, message.parent.nestedMessages.indexOf(message)];
}

/** Comment lines are wrapped by hand; a reader of the document wants paragraphs. */
function tidy(comment: string): string {
  return comment
    .split(/\n\s*\n/)
    .map((paragraph) => paragraph.replace(/\s*\n\s*/g, " ").trim())
    .filter((paragraph) => paragraph !== "")
    .join("\n\n");
}
