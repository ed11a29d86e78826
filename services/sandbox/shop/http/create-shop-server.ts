import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { DomainError } from "../../../platform/errors/domain-error.ts";
import { translateError } from "../../../platform/errors/error-table.ts";
import { formText } from "../../../platform/http/body-parsers.ts";
import { createHttpServer, type HttpServerOptions } from "../../../platform/http/create-http-server.ts";
import { httpErrors } from "../../../platform/http/http-errors.ts";
import { parseAmount } from "../../../platform/money/amount.ts";
import { parseCurrency } from "../../../platform/money/currency.ts";
import type { Brand } from "../../../platform/pages/brand.ts";
import { createCsrf } from "../../../platform/pages/csrf.ts";
import { errorMessage } from "../../../platform/pages/error-page.ts";
import type { SafeHtml } from "../../../platform/pages/html.ts";
import { messageView } from "../../../platform/pages/messages.ts";
import { sendPage } from "../../../platform/pages/send-page.ts";
import { type Checkout, linesOf, walletProvider } from "../checkout.ts";
import type { DirectBank } from "../config.ts";
import { actOnOrder, type DeskDeps } from "../desk.ts";
import { findProduct, shopCurrency } from "../domain/catalogue.ts";
import type { DeskAction, Order, PaymentMethod } from "../domain/order.ts";
import type { CartStore } from "../storage/cart-store.ts";
import type { Visitor } from "../storage/visitor-store.ts";
import { shopErrors } from "./error-table.ts";
import { addJsonRoutes } from "./json-routes.ts";
import { shopPage } from "./shop-page.ts";
import { cartView, type FormToken, ordersView, orderView, shelfView } from "./views.ts";
import type { Visitors } from "./visitors.ts";

/** What the shop's pages need. */
export interface ShopServerDeps extends DeskDeps {
  readonly origin: string;
  readonly brand: Brand;
  readonly banks: readonly DirectBank[];
  readonly checkout: Checkout;
  readonly carts: CartStore;
  readonly visitors: Visitors;
  readonly csrfKey: Uint8Array;
  readonly merchantApiKey: string;
  readonly log: HttpServerOptions["log"];
}

type OrderRequest = FastifyRequest<{ Params: { orderId: string } }>;

/** The shop: pages for people, JSON for programs. The caller listens and closes. */
export function createShopServer(deps: ShopServerDeps): FastifyInstance {
  const app = createHttpServer({
    service: "shop",
    errorTable: shopErrors,
    log: deps.log,
    errorPage(error) {
      const message = errorMessage(error, { wayOn: { label: "Go to the shop", href: "/" } });
      return shopPage({ brand: deps.brand, title: message.title, body: messageView(message) });
    },
  });
  const pages = createPages(deps);
  app.get("/health", async () => ({ status: "healthy", service: "shop", timestamp: new Date().toISOString() }));
  app.get("/", pages.shelf);
  app.get("/cart", pages.cart);
  app.post("/cart", pages.addToCart);
  app.post("/cart/remove", pages.removeFromCart);
  app.get("/orders", pages.orders);
  app.get("/orders/:orderId", pages.order);
  for (const action of ["capture", "void", "refund"] as const) {
    app.post(`/orders/:orderId/${action}`, (request: OrderRequest, reply) => pages.desk(action, request, reply));
  }
  addPaymentRoutes(app, deps, pages);
  addJsonRoutes(app, deps);
  return app;
}

type Pages = ReturnType<typeof createPages>;

function createPages(deps: ShopServerDeps) {
  const csrf = createCsrf({ key: deps.csrfKey, siteId: "shop", secure: deps.origin.startsWith("https:") });
  const tokens = (request: FastifyRequest, reply: FastifyReply): FormToken => {
    return (purpose) => csrf.token(request, reply, purpose);
  };
  const show = async (
    reply: FastifyReply,
    visitor: Visitor,
    view: { title: string; body: SafeHtml; wide?: boolean; leaves?: boolean; status?: number },
  ) => {
    const cart = await deps.carts.list(visitor.sessionId);
    const cartCount = cart.reduce((sum, entry) => sum + entry.quantity, 0);
    const page = shopPage({
      brand: deps.brand,
      title: view.title,
      body: view.body,
      wide: view.wide === true,
      cartCount,
    });
    return sendPage(reply, page, {
      status: view.status ?? 200,
      formTarget: view.leaves === true ? "elsewhere" : "self",
    });
  };
  const showOrder = async (
    request: OrderRequest,
    reply: FastifyReply,
    visitor: Visitor,
    problem?: { text: string; status: number },
  ) => {
    const order = await findOrder(deps, request.params.orderId, visitor);
    const body = orderView(order, deps.banks, tokens(request, reply), problem?.text);
    return show(reply, visitor, { title: `Order ${order.id}`, body, leaves: true, status: problem?.status ?? 200 });
  };
  return {
    csrf,
    async shelf(request: FastifyRequest, reply: FastifyReply) {
      const visitor = await deps.visitors.welcome(request, reply);
      return show(reply, visitor, { title: "Shop", body: shelfView(tokens(request, reply)), wide: true });
    },
    async cart(request: FastifyRequest, reply: FastifyReply) {
      const visitor = await deps.visitors.welcome(request, reply);
      const lines = linesOf(await deps.carts.list(visitor.sessionId));
      const body = cartView(lines, deps.banks, tokens(request, reply));
      return show(reply, visitor, { title: "Cart", body, leaves: true });
    },
    async addToCart(request: FastifyRequest, reply: FastifyReply) {
      csrf.verify(request, "cart");
      const visitor = await deps.visitors.welcome(request, reply);
      const product = findProduct(formText(request.body, "productId") ?? "");
      if (product === undefined) throw new DomainError("PRODUCT_UNKNOWN");
      await deps.carts.add(visitor.sessionId, product.id);
      return reply.redirect("/cart", 303);
    },
    async removeFromCart(request: FastifyRequest, reply: FastifyReply) {
      csrf.verify(request, "cart");
      const visitor = await deps.visitors.welcome(request, reply);
      await deps.carts.set(visitor.sessionId, (formText(request.body, "productId") ?? "").slice(0, 64), 0);
      return reply.redirect("/cart", 303);
    },
    async orders(request: FastifyRequest, reply: FastifyReply) {
      const visitor = await deps.visitors.welcome(request, reply);
      const orders = await deps.orders.list({ sessionId: visitor.sessionId });
      return show(reply, visitor, { title: "Orders", body: ordersView(orders) });
    },
    async order(request: OrderRequest, reply: FastifyReply) {
      return showOrder(request, reply, await deps.visitors.welcome(request, reply));
    },
    async desk(action: DeskAction, request: OrderRequest, reply: FastifyReply) {
      const { orderId } = request.params;
      csrf.verify(request, `desk:${orderId}`);
      const visitor = await deps.visitors.welcome(request, reply);
      try {
        await actOnOrder(deps, {
          scope: { sessionId: visitor.sessionId },
          orderId,
          action,
          ...amountsOf(request.body),
        });
      } catch (error) {
        if (!(error instanceof DomainError) || error.reason === "ORDER_NOT_FOUND") throw error;
        const told = translateError({ ...httpErrors, ...shopErrors }, error);
        return showOrder(request, reply, visitor, { text: told.message, status: told.http });
      }
      return reply.redirect(`/orders/${orderId}`, 303);
    },
  };
}

/** The order with its bank's name; asked again here when the answer was lost after the payment. */
async function findOrder(deps: ShopServerDeps, orderId: string, visitor: Visitor): Promise<Order> {
  const order = await deps.orders.find(orderId, { sessionId: visitor.sessionId });
  if (order === undefined) throw new DomainError("ORDER_NOT_FOUND");
  if (order.transactionId === null || order.bankName !== null) return order;
  const bank = await deps.payments.bankOf(order.transactionId).catch(() => undefined);
  if (bank === undefined) return order;
  await deps.orders.nameBank(order.id, bank);
  return { ...order, bankId: bank.id, bankName: bank.name };
}

function amountsOf(body: unknown): { amountMinor?: bigint; refundedMinor?: bigint } {
  const amount = (formText(body, "amount") ?? "").trim();
  const refunded = formText(body, "refunded");
  return {
    ...(amount === "" ? {} : { amountMinor: parseAmount(amount, parseCurrency(shopCurrency)) }),
    ...(refunded !== undefined && /^\d{1,15}$/.test(refunded) ? { refundedMinor: BigInt(refunded) } : {}),
  };
}

function addPaymentRoutes(app: FastifyInstance, deps: ShopServerDeps, pages: Pages): void {
  const leave = async (request: FastifyRequest, reply: FastifyReply, go: (visitor: Visitor) => Promise<string>) => {
    pages.csrf.verify(request, "pay");
    const visitor = await deps.visitors.welcome(request, reply);
    return reply.redirect(await go(visitor), 303);
  };
  const comeBack = async (request: FastifyRequest, reply: FastifyReply, method: PaymentMethod) => {
    const visitor = await deps.visitors.known(request);
    if (visitor === undefined) throw new DomainError("RETURN_UNKNOWN");
    const orderId = await deps.checkout.finish(visitor.sessionId, method, new URL(request.url, deps.origin));
    return reply.redirect(`/orders/${orderId}`, 303);
  };
  type BankRequest = FastifyRequest<{ Params: { bankId: string } }>;
  type PayAgainRequest = FastifyRequest<{ Params: { orderId: string; bankId?: string } }>;
  const payAgain = (request: PayAgainRequest, reply: FastifyReply) =>
    leave(request, reply, ({ sessionId }) =>
      deps.checkout.payAgain(sessionId, request.params.orderId, request.params.bankId ?? walletProvider),
    );
  app.post("/checkout/wallet", (request, reply) =>
    leave(request, reply, ({ sessionId }) => deps.checkout.start(sessionId, walletProvider)),
  );
  app.post("/checkout/bank/:bankId", (request: BankRequest, reply) =>
    leave(request, reply, ({ sessionId }) => deps.checkout.start(sessionId, request.params.bankId)),
  );
  app.post("/orders/:orderId/pay/wallet", payAgain);
  app.post("/orders/:orderId/pay/bank/:bankId", payAgain);
  app.get("/payment/wallet-callback", (request, reply) => comeBack(request, reply, "wallet"));
  // One address for all banks: the state says which one the customer left for, and `iss` has to agree (RFC 9207).
  app.get("/payment/bank-callback", (request, reply) => comeBack(request, reply, "bank"));
}
