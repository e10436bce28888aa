import EdgeEngine
import Endpoints
import HubContract
public import JSONTree
import Logging
import Platform

extension ModuleClient {
  /// The desired properties: as they are, and after each change.
  public nonisolated var desiredProperties: DesiredProperties { DesiredProperties(client: self) }

  /// Reads the whole twin.
  ///
  /// - Throws: a `ModuleFault` of the code `refused` or `unanswered`, of `stopped` after the end of `run`;
  ///   `CancellationError`.
  public func twin() async throws -> ModuleTwin {
    let answer = try await ask(payload: []) { DeviceSideTopics.twinGet(requestID: $0) }
    guard let twin = try? JSON.parse(answer), let desired = twin["desired"]?.objectValue,
      let reported = twin["reported"]?.objectValue
    else { throw ModuleFault(.unanswered, "the twin that the hub sent cannot be read") }
    return ModuleTwin(desired: TwinProperties(desired), reported: TwinProperties(reported))
  }

  /// Merges `patch` into the reported properties: what is null there is removed.
  ///
  /// Returns when the local hub has it.
  ///
  /// - Throws: as `twin()` does.
  public func report(_ patch: JSONObject) async throws {
    _ = try await ask(payload: JSON.bytes(.object(patch))) {
      DeviceSideTopics.reportedPatch(requestID: $0)
    }
  }

  /// Asks on the connection that stands, and on the next one where that ends meanwhile.
  private func ask(
    payload: [UInt8],
    _ topic: @Sendable (String) -> [UInt8]
  ) async throws -> [UInt8] {
    guard payload.count <= Self.messageLimit else {
      throw ModuleFault(.message, "\(payload.count) bytes: \(Self.messageLimit) are the limit")
    }
    var failed: UInt64?
    while true {
      let connection = try await standing(after: failed)
      do {
        let answer = try await connection.requests.ask(payload: payload, topic)
        guard (200..<300).contains(answer.status) else {
          throw ModuleFault(.refused, "the hub answers \(answer.status)")
        }
        return answer.payload
      } catch let fault as ModuleFault {
        throw fault
      } catch {
        // Of a connection that has ended it says nothing.
        let hasEnded = self.connection?.number != connection.number || error is ClientFault
        guard hasEnded else { throw ModuleFault(.unanswered, "\(error)") }
        failed = connection.number
      }
    }
  }

  func nextDesired(after seen: UInt64) async -> (number: UInt64, properties: TwinProperties)? {
    want(.desired)
    while desiredChanges == seen {
      guard phase != .ended, !Task.isCancelled else { return nil }
      await change()
    }
    guard !Task.isCancelled, let version = source.version else { return nil }
    return (desiredChanges, TwinProperties(version: version, properties: source.desired))
  }

  // MARK: What the connection tells

  /// Desired properties have changed.
  func patched(_ payload: [UInt8], version: Int64?) {
    guard let patch = (try? JSON.parse(payload))?.objectValue,
      let version = version ?? patch["$version"]?.int64Value
    else { return }
    if source.patched(TwinProperties.own(patch), version: version, now: SystemClock.now()) {
      desiredChanges += 1
    }
    changed()
  }

  /// Reads the desired properties where they are not known, or a change was missed.
  ///
  /// - Returns: whether the connection is to be given up.
  func followDesired(_ requests: TwinRequests) async -> Bool {
    switch source.timeout(now: SystemClock.now()) {
    case .none: return false
    case .rebuild: return true
    case .read: break
    }
    do {
      let answer = try await requests.ask(payload: []) { DeviceSideTopics.twinGet(requestID: $0) }
      guard answer.status == 200 else { throw TwinRequests.Fault.refused(answer.status) }
      guard let held = (try? JSON.parse(answer.payload))?["desired"]?.objectValue else {
        throw TwinRequests.Fault.unreadable
      }
      let desired = TwinProperties(held)
      let isNew = source.received(
        desired.properties,
        version: desired.version,
        now: SystemClock.now()
      )
      // The first time even if there is nothing: who waits for it wants to know that.
      if isNew || desiredChanges == 0 { desiredChanges += 1 }
      changed()
    } catch {
      source.readingFailed(now: SystemClock.now())
      logger.warning("the twin cannot be read", metadata: ["error": "\(error)"])
    }
    return false
  }
}
