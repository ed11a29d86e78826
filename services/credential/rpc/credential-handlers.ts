import { Credential } from "../../../gen/es/paymesh/credential/v1/credential_pb.js";
import { implement, type ServiceImplementation } from "../../platform/rpc/service-implementation.ts";
import { bankHandlers, connectionHandlers, consentHandlers } from "./connection-handlers.ts";
import { type ConnectorHandlerParts, linkHandlers, userConnectionHandlers } from "./connector-handlers.ts";
import { erasureHandlers } from "./erasure-handlers.ts";
import { noticeHandlers } from "./notice-handlers.ts";
import { notificationHandlers } from "./notification-handlers.ts";
import { clientConsentHandlers, clientDataHandlers } from "./open-banking-handlers.ts";
import { operatorHandlers } from "./operator-handlers.ts";
import { connectionHistoryHandlers, providerDataHandlers } from "./provider-data-handlers.ts";
import { providerTokenHandlers } from "./provider-token-handlers.ts";
import { trueLayerHandlers } from "./truelayer-handlers.ts";
import { webhookHandlers } from "./webhook-handlers.ts";

/** The Credential service, ready to be served. */
export function credentialImplementation(parts: ConnectorHandlerParts): ServiceImplementation {
  return implement(Credential, {
    ...consentHandlers(parts),
    ...connectionHandlers(parts),
    ...bankHandlers(parts),
    ...operatorHandlers(parts),
    ...linkHandlers(parts),
    ...userConnectionHandlers(parts),
    ...providerDataHandlers(parts),
    ...connectionHistoryHandlers(parts),
    ...providerTokenHandlers(parts),
    ...noticeHandlers(parts),
    ...webhookHandlers(parts),
    ...clientConsentHandlers(parts),
    ...clientDataHandlers(parts),
    ...notificationHandlers(parts),
    ...erasureHandlers(parts),
    ...trueLayerHandlers(parts),
  });
}
