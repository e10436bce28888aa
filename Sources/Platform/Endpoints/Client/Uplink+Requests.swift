import ByteIO
package import HubContract
import Logging
import MQTT
import NIOCore
import Platform

/// A request about a twin that waits for its answer.
struct TwinRequest {
  let deadline: Instant
  let reply: (Result<TwinReply, UplinkFault>) -> Void
}

/// Twins, methods and cloud-to-device messages.
extension Uplink {
  /// Requests that may wait for their answers.
  private static let twinRequestLimit = 4_096

  // MARK: Twins

  /// Reads a twin as its owner sees it; `reply` is called once.
  package func readTwin(
    of identity: IdentityKey,
    _ reply: @escaping (Result<TwinReply, UplinkFault>) -> Void
  ) {
    ask(DeviceSideTopics.twinGet, of: identity, [], reply)
  }

  /// Patches reported properties with a JSON object; `reply` is called once.
  package func patchReported(
    _ patch: [UInt8],
    of identity: IdentityKey,
    _ reply: @escaping (Result<TwinReply, UplinkFault>) -> Void
  ) {
    ask(DeviceSideTopics.reportedPatch, of: identity, patch, reply)
  }

  private func ask(
    _ topic: (String) -> [UInt8],
    of identity: IdentityKey,
    _ body: [UInt8],
    _ reply: @escaping (Result<TwinReply, UplinkFault>) -> Void
  ) {
    guard phase == .standing, !isDraining, identity == settings.identity || isMultiplexing else {
      return reply(.failure(.notConnected))
    }
    guard requests.count < Self.twinRequestLimit else { return reply(.failure(.tooMany)) }
    lastRequest += 1
    requests[lastRequest] = TwinRequest(
      deadline: SystemClock.now().adding(milliseconds: settings.requestMilliseconds),
      reply: reply
    )
    publish(topic(String(lastRequest)), body, of: identity)
  }

  private func answered(_ requestID: String, _ reply: TwinReply) {
    guard let request = UInt64(requestID).flatMap({ requests.removeValue(forKey: $0) }) else {
      return
    }
    let isSuccess = (200...299).contains(reply.status)
    request.reply(
      isSuccess ? .success(reply) : .failure(.refused(status: reply.status, body: reply.body))
    )
  }

  func expireRequests(_ now: Instant) {
    for (id, request) in requests where now >= request.deadline {
      requests[id] = nil
      request.reply(.failure(.timedOut))
    }
  }

  func failRequests() {
    let ended = requests
    requests = [:]
    for request in ended.values { request.reply(.failure(.notConnected)) }
  }

  // MARK: Methods and messages

  /// Answers a direct method with JSON or nothing; one of an earlier connection has failed already.
  package func answer(_ method: UplinkMethod, status: Int, body: [UInt8]) {
    guard method.connection == attempt, phase == .standing else { return }
    publish(
      DeviceSideTopics.methodResponse(status: status, requestID: method.requestID),
      body,
      of: method.identity
    )
  }

  /// Says what became of a message; one of an earlier connection comes again.
  package func settle(_ message: UplinkMessage, _ outcome: ChildSettlement.Outcome) {
    guard message.connection == attempt, phase == .standing else { return }
    publish(ChildSettlement(lock: message.lock, outcome: outcome).topic, [], of: message.identity)
  }

  private func publish(_ topic: [UInt8], _ body: [UInt8], of identity: IdentityKey) {
    guard let handler else { return }
    let isOwn = identity == settings.identity
    do throws(MQTTFault) {
      try handler.publish(
        topic: isOwn ? topic : ChildTopics.prefix(of: identity) + topic,
        payload: body.span
      )
    } catch {
      logger.error("uplink cannot send this", metadata: ["identity": "\(identity)"])
    }
    handler.flushLater()
  }

  // MARK: From the server

  func receive(_ topic: Span<UInt8>, _ payload: Span<UInt8>) {
    guard let (child, start) = ChildTopics.split(topic) else {
      return receive(topic, payload, for: settings.identity)
    }
    let topic = topic.extracting(start...)
    if let delivery = ChildDeliveryTopic(topic) {
      delegate?.uplinkMessage(
        UplinkMessage(
          identity: child,
          bag: topic.extracting(delivery.bagStart...).array(),
          body: payload.array(),
          lock: delivery.lock,
          connection: attempt
        )
      )
      return
    }
    switch ChildNotice(topic) {
    case .refused: delegate?.uplinkDropped(for: child)
    case .ended(let reason): unfollowed(child, reason)
    case nil: receive(topic, payload, for: child)
    }
  }

  private func receive(_ topic: Span<UInt8>, _ payload: Span<UInt8>, for identity: IdentityKey) {
    switch ReceivedTopic(topic.array(), deviceID: identity.deviceID) {
    case .method(let name, let requestID):
      delegate?.uplinkMethod(
        UplinkMethod(
          identity: identity,
          name: name,
          payload: payload.array(),
          requestID: requestID,
          connection: attempt
        )
      )
    case .twinResponse(let status, let requestID, let version):
      answered(requestID, TwinReply(status: status, version: version, body: payload.array()))
    case .desired(let version):
      delegate?.uplinkDesired(of: identity, version: version, patch: payload.array())
    // The edge hub itself, a module, has no cloud-to-device messages.
    case .cloudToDevice, .unknown: break
    }
  }
}
