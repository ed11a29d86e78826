import { fromBinary } from "@bufbuild/protobuf";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import { Client, credentials, Server, ServerCredentials } from "@grpc/grpc-js";
import { afterAll, beforeAll, expect, it } from "vitest";
import { addReflection, answerTo } from "./reflection.ts";

it("lists the four services", () => {
  const answer = answerTo({ kind: "list_services" });
  expect(answer).toMatchObject({ kind: "services" });
  for (const name of ["registry", "router", "wallet", "credential"]) {
    expect(JSON.stringify(answer)).toContain(`paymesh.${name}.v1.`);
  }
});

it.each(["paymesh.router.v1.Router", "paymesh.router.v1.Router.Authorize", "paymesh.router.v1.AuthorizeRequest"])(
  "gives the file of %s with all it depends on",
  (name) => {
    const answer = answerTo({ kind: "file_containing_symbol", name });
    if (answer.kind !== "files") throw new Error(answer.kind);
    const files = answer.files.map((bytes) => fromBinary(FileDescriptorProtoSchema, bytes));
    expect(files[0]?.name).toBe("paymesh/router/v1/router.proto");
    const names = new Set(files.map((file) => file.name));
    for (const file of files) for (const dependency of file.dependency) expect(names).toContain(dependency);
  },
);

it("finds extensions by number and lists them", () => {
  expect(answerTo({ kind: "all_extension_numbers_of_type", name: "google.protobuf.MethodOptions" })).toMatchObject({
    numbers: expect.arrayContaining([50701, 72295728]),
  });
  const found = answerTo({
    kind: "file_containing_extension",
    typeName: "google.protobuf.MethodOptions",
    fieldNumber: 50701,
  });
  expect(found.kind).toBe("files");
});

it("says what it does not know", () => {
  expect(answerTo({ kind: "file_containing_symbol", name: "no.such.Thing" })).toMatchObject({ kind: "error", code: 5 });
  expect(answerTo({ kind: "file_by_filename", name: "no.proto" })).toMatchObject({ kind: "error", code: 5 });
  expect(answerTo({ kind: "unknown" })).toMatchObject({ kind: "error", code: 3 });
});

let server: Server;
let client: Client;
beforeAll(async () => {
  server = new Server();
  addReflection(server);
  const port = await new Promise<number>((resolve) =>
    server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (_error, bound) => resolve(bound)),
  );
  client = new Client(`127.0.0.1:${port}`, credentials.createInsecure());
});
afterAll(() => {
  client.close();
  server.forceShutdown();
});

it.each(["v1", "v1alpha"])("answers several questions on one stream of %s", async (version) => {
  const asIs = (bytes: Buffer): Buffer => bytes;
  const call = client.makeBidiStreamRequest(
    `/grpc.reflection.${version}.ServerReflection/ServerReflectionInfo`,
    asIs,
    asIs,
  );
  const answers: Buffer[] = [];
  call.on("data", (answer: Buffer) => answers.push(answer));
  const listServices = Buffer.from(new BinaryWriter().tag(7, WireType.LengthDelimited).string("*").finish());
  call.write(listServices);
  call.write(listServices);
  call.end();
  await new Promise((resolve) => call.on("status", resolve));
  expect(answers.map((answer) => answer.includes("paymesh.router.v1.Router"))).toEqual([true, true]);
});

it("refuses a question that cannot be read, and goes on serving", async () => {
  const asIs = (bytes: Buffer): Buffer => bytes;
  const ask = (question: Buffer): Promise<{ code: number; answers: number }> =>
    new Promise((resolve) => {
      const path = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
      const call = client.makeBidiStreamRequest(path, asIs, asIs);
      let answers = 0;
      call.on("data", () => {
        answers += 1;
      });
      call.on("error", () => {});
      call.on("status", ({ code }: { code: number }) => resolve({ code, answers }));
      call.write(question);
      call.end();
    });
  expect((await ask(Buffer.from([0x1a, 0x7f, 0x01]))).code).toBe(3);
  const listServices = Buffer.from(new BinaryWriter().tag(7, WireType.LengthDelimited).string("*").finish());
  expect(await ask(listServices)).toEqual({ code: 0, answers: 1 });
});
