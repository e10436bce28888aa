import HubContract
import JSONTree
import Platform
import ProvisioningEngine

/// A hub that provisioning assigns devices to, and how to reach it.
struct LinkedHubAccess: Sendable {
  /// The hub, as allocation sees it.
  let hub: LinkedHub
  /// Host and port of its REST interface.
  let authority: String
  /// The policy under which it is called.
  let policy: String
  /// The policy's key.
  let key: SymmetricKey

  /// Hubs at most, this one included.
  private static let limit = 50

  /// Reads the file that `provisioning.linked_hubs` names: a JSON array of objects.
  ///
  /// `own` is this hub, whose weight and latency may be in it by its host name.
  ///
  /// - Throws: `SettingsFault` with the element that cannot be used; keys are never shown.
  static func read(
    _ path: String,
    own: LinkedHub
  ) throws(SettingsFault) -> (own: LinkedHub, others: [LinkedHubAccess]) {
    let setting = "provisioning.linked_hubs"
    let text: [UInt8]
    do throws(FileFault) {
      text = try PrivateFile.read(path, limit: 1 << 20)
    } catch {
      throw SettingsFault("\(setting): \(error)", remedy: error.remedy)
    }
    guard let elements = (try? JSON.parse(text))?.arrayValue else {
      throw SettingsFault("\(setting): \(path) holds no JSON array", remedy: remedy)
    }
    var (own, others): (LinkedHub, [LinkedHubAccess]) = (own, [])
    for (index, element) in elements.enumerated() {
      let place = "\(setting): element \(index + 1) of \(path)"
      var hub = LinkedHub(host: own.host, sharesAuthorities: true)
      if let weight = element["weight"] {
        guard let value = weight.int64Value, (0...100).contains(value) else {
          throw SettingsFault("\(place): weight must be from 0 to 100", remedy: remedy)
        }
        hub.weight = UInt64(value)
      }
      if let latency = element["latencyMilliseconds"] {
        guard let value = latency.int64Value, (0...1_000_000).contains(value) else {
          throw SettingsFault(
            "\(place): latencyMilliseconds must be from 0 to 1000000",
            remedy: remedy
          )
        }
        hub.latencyMilliseconds = UInt64(value)
      }
      guard let string = element["connectionString"]?.stringValue else {
        guard element["host"]?.stringValue?.lowercased() == own.host else {
          throw SettingsFault("\(place) has no connectionString", remedy: remedy)
        }
        own = hub
        continue
      }
      let access = try access(string, hub, place)
      guard access.hub.host != own.host, !others.contains(where: { $0.hub.host == access.hub.host })
      else {
        throw SettingsFault("\(place): \(access.hub.host) occurs twice", remedy: remedy)
      }
      others.append(access)
    }
    guard others.count < limit else {
      throw SettingsFault("\(setting): \(path) names more than \(limit) hubs")
    }
    return (own, others)
  }

  private static func access(
    _ text: String,
    _ linked: LinkedHub,
    _ place: String
  ) throws(SettingsFault) -> LinkedHubAccess {
    let string: ConnectionString
    do throws(ConnectionStringFault) {
      string = try ConnectionString(text)
    } catch {
      throw SettingsFault("\(place): \(error)", remedy: remedy)
    }
    guard case .policy(let host, let policy, let key) = string else {
      throw SettingsFault("\(place): the connection string is none of a policy", remedy: remedy)
    }
    var hub = linked
    hub.sharesAuthorities = false
    // Devices are told the name alone: they have ports of their own for it.
    hub.host = String(host.prefix { $0 != ":" }).lowercased()
    return LinkedHubAccess(hub: hub, authority: host, policy: policy, key: key)
  }

  private static let remedy =
    "Each element is an object: connectionString of a policy with the rights RegistryRead, "
    + "RegistryWrite and ServiceConnect at that hub; perhaps weight and latencyMilliseconds."
}
