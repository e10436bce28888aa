import HubContract
import Logging
import MQTT
import NIOCore
import Platform
import Synchronization

/// From CONNECT to CONNACK.
extension DeviceConnection {
  /// Asks the backend whether the client may be what it says.
  func authenticate(_ connect: ConnectLayout, _ span: Span<UInt8>) {
    let request = ConnectRequest(connect, in: span)
    will = request.will
    isCleanSession = request.cleanSession
    guard let context, connect.clientIdentifier.count > 0 else {
      return refuse(.identifierRejected)
    }
    let handle = DeviceHandle(
      id: Self.numbers.add(1, ordering: .relaxed).newValue,
      connection: self,
      eventLoop: loop.eventLoop
    )
    self.handle = handle
    ask(
      DeviceConnectRequest(
        clientID: request.clientIdentifier,
        userName: request.userName,
        password: request.password,
        chain: peer.chain,
        isCleanSession: request.cleanSession,
        address: context.remoteAddress?.ipAddress ?? "unknown"
      ),
      handle
    )
  }

  private func ask(_ request: DeviceConnectRequest, _ handle: DeviceHandle) {
    loop.backend.admit(request) { admission in
      handle.execute { connection in connection.admitted(admission, request, handle) }
    }
  }

  private func admitted(
    _ admission: DeviceAdmission,
    _ request: DeviceConnectRequest,
    _ handle: DeviceHandle
  ) {
    switch admission {
    case .refused(let code, let reason):
      loop.logger.info(
        "connection refused",
        metadata: [
          "client": "\(String(decoding: request.clientID.prefix(257), as: UTF8.self))",
          "address": "\(request.address)", "reason": "\(reason)",
        ]
      )
      refuse(code)
    case .provisioning(let client):
      // Nobody hears of a device that is being provisioned and goes.
      guard will == nil else { return refuse(.notAuthorized) }
      provisioning = client
      loop.counters.unauthenticated.count(-1)
      guard answer({ $0.accept(session: nil, will: nil, now: SystemClock.now(), to: &$1) }) else {
        return
      }
      loop.logger.debug(
        "provisioning client connected",
        metadata: ["registration": "\(client.registrationID)"]
      )
      flush()
      resume()
    case .accepted(let device):
      let topics = DeviceTopics(device.identity)
      if let will, let fault = fault(of: will, topics) {
        loop.logger.info(
          "connection refused",
          metadata: [
            "client": "\(device.identity)", "address": "\(request.address)", "reason": "\(fault)",
          ]
        )
        return refuse(.notAuthorized)
      }
      guard loop.backend.established(handle, device) else {
        var again = request
        again.isJudgedAgain = true
        return ask(again, handle)
      }
      self.device = device
      self.topics = topics
      if device.identity.moduleID == ModuleID.edgeHub {
        children = EdgeHubChildren(of: device, on: self)
      }
      loop.counters.unauthenticated.count(-1)
      guard isCleanSession, device.session != nil else { return accept(device) }
      // Were it let in before, a crash could bring back what it has asked to forget.
      loop.backend.remember(nil, of: device.identity) { isDurable in
        handle.execute { connection in
          if isDurable { connection.accept(device) } else { connection.refuse(.serverUnavailable) }
        }
      }
    }
  }

  /// Why nobody could publish `will`, nil if it is as good as a PUBLISH.
  private func fault(of will: Will, _ topics: DeviceTopics) -> String? {
    guard case .telemetry(let range) = topics.classify(will.topic.span) else { return "will topic" }
    do throws(PropertyFault) {
      try PropertyBag(will.topic.span.extracting(range))
        .check(bodyBytes: will.payload.count, limit: loop.limits.messageBytes)
      return nil
    } catch {
      return "will: \(error)"
    }
  }

  private func accept(_ device: AdmittedDevice) {
    let session: Session? = device.session == nil ? nil : Session()
    let will = will
    self.will = nil
    guard answer({ $0.accept(session: session, will: will, now: SystemClock.now(), to: &$1) })
    else {
      return
    }
    loop.counters.accepted.count()
    loop.logger.debug("device connected", metadata: ["identity": "\(device.identity)"])
    if !isCleanSession, let remembered = device.session {
      subscriptions = remembered
      grant(remembered)
    }
    flush()
    resume()
  }

  private func refuse(_ code: ConnectReturnCode) {
    loop.counters.refused.count()
    _ = answer { $0.refuse(code, to: &$1) }
    flush()
    close()
  }
}
