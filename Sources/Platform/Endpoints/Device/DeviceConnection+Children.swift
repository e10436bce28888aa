import ByteIO
import HubContract
import Logging
import MQTT
import Platform

/// What an edge hub sends on its own connection for those below it (contract §3.4).
extension DeviceConnection {
  /// Children that a connection remembers; beyond, it forgets them and asks again.
  private static let childLimit = 4_096

  /// Takes a message in for the child that it names; false if the connection is being closed.
  func deliver(_ publish: HeldPublish, by device: AdmittedDevice) -> Bool {
    if let child = children?[publish.child], SystemClock.now() < child.end {
      return append(publish, from: child)
    }
    guard let handle else { return false }
    held = publish
    beginRequest()
    loop.backend.sender(publish.child, by: device) { child in
      handle.execute { connection in connection.judged(child) }
    }
    return true
  }

  private func judged(_ child: ChildSender?) {
    guard let publish = held else { return }
    held = nil
    guard let child else {
      faulted("$.cdid names nobody below this edge hub")
      return close()
    }
    if children.map({ $0.count >= Self.childLimit }) ?? false { children = [:] }
    children?[publish.child] = child
    guard append(publish, from: child) else { return }
    endRequest()
  }

  private func append(_ publish: HeldPublish, from child: ChildSender) -> Bool {
    let isKept = loop.append(
      self,
      stamp: child.stamp,
      partition: child.partition,
      flags: publish.flags,
      bag: publish.bag.span,
      body: publish.body.span,
      identifier: publish.packetIdentifier
    )
    if !isKept { close() }
    return isKept
  }
}

/// A message that an edge hub sent for a child, out of its packet.
struct HeldPublish {
  let child: IdentityKey
  let flags: EventFlags
  let packetIdentifier: UInt16
  let bag: [UInt8]
  let body: [UInt8]

  init(
    _ child: IdentityKey,
    _ publish: PublishLayout,
    _ flags: EventFlags,
    _ bag: Span<UInt8>,
    _ body: Span<UInt8>
  ) {
    self.child = child
    self.flags = flags
    packetIdentifier = publish.packetIdentifier
    self.bag = bag.array()
    self.body = body.array()
  }
}

extension PropertyBag {
  /// Whom `$.cdid` and `$.cmid` name, nil without them.
  var child: IdentityKey? {
    value(of: .connectionDeviceID).map {
      IdentityKey(deviceID: $0, moduleID: value(of: .connectionModuleID))
    }
  }
}
