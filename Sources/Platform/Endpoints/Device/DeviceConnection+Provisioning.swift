import ByteIO
import HubContract
import MQTT

/// A connection to the provisioning service: one filter, two requests, no session that lasts
/// (contract "Device Provisioning Service").
extension DeviceConnection {
  /// Requests of one connection that may wait for their answers; beyond, it is dropped.
  private static let requestLimit = 8

  /// Handles a PUBLISH; false if the connection is being closed.
  func ask(
    _ client: any ProvisioningClient,
    _ publish: PublishLayout,
    _ span: Span<UInt8>
  ) -> Bool {
    let topic = span.extracting(publish.topic).array()
    guard let request = ProvisioningTopics.request(topic), let handle else {
      faulted("a topic that is none of the provisioning service's")
      close()
      return false
    }
    guard provisioningRequests < Self.requestLimit else {
      drop(.overloaded)
      return false
    }
    provisioningRequests += 1
    acknowledge(publish)
    let requestID =
      switch request {
      case .register(let id), .status(let id, _): id
      }
    client.answer(request, body: span.extracting(publish.payload).array()) { reply in
      handle.execute { connection in
        connection.provisioningRequests -= 1
        connection.tell(reply, requestID)
      }
    }
    return true
  }

  private func tell(_ reply: ProvisioningReply, _ requestID: String) {
    if let qos = granted.twinResponses {
      let topic = ProvisioningTopics.response(
        status: reply.status,
        requestID: requestID,
        retryAfterSeconds: reply.retryAfterSeconds
      )
      send(OutboundPublish(topic: topic, payload: reply.body), qos)
    }
    flushUnlessProcessing()
  }

  func subscribeToProvisioning(_ layout: SubscribeLayout, _ span: Span<UInt8>) {
    var codes: [SubscribeReturnCode] = []
    layout.forEach(in: span) { entry in
      let filter = span.extracting(entry.filter).array()
      guard filter.elementsEqual(ProvisioningTopics.responses.utf8) else {
        return codes.append(.failure)
      }
      let quality = min(entry.requested, .atLeastOnce)
      granted.twinResponses = quality
      codes.append(SubscribeReturnCode(granted: quality))
    }
    write { try? PacketEncoder.suback(packetIdentifier: layout.packetIdentifier, codes, to: &$0) }
  }

  func unsubscribeFromProvisioning(_ layout: UnsubscribeLayout, _ span: Span<UInt8>) {
    layout.forEach(in: span) { range in
      if span.extracting(range).array().elementsEqual(ProvisioningTopics.responses.utf8) {
        granted.twinResponses = nil
      }
    }
    write { PacketEncoder.unsuback(layout.packetIdentifier, to: &$0) }
  }
}
