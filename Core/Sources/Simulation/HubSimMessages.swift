import HubContract
import HubEngine
import JSONTree

/// Who a simulated message is for, or what else happens at a time.
enum HubSimEvent {
  /// A device's message arrives at the hub.
  case atHub(HubSimConnection, HubSimUplink)
  /// A message of the hub arrives at a device.
  case atDevice(HubSimConnection, HubSimDownlink)
  /// The hub notices that a connection is gone.
  case hubLost(HubSimConnection)
  /// A device notices that its connection is gone.
  case deviceLost(HubSimConnection)
  /// A back end's request arrives at the hub.
  case request(HubSimRequest)
  /// The answer to it arrives; false: refused or failed.
  case answer(HubSimRequest, Bool)
  /// The hub commits what has gathered.
  case commit(start: UInt64)
  /// The hub's own events are taken to the log.
  case moveEvents
  /// A device does something of its own accord.
  case deviceTurn(Int)
  /// The back end does something.
  case operatorTurn
  /// Something fails.
  case fault
  /// The hub is powered again.
  case restart
}

/// One connection of one device, as both ends and the network name it.
struct HubSimConnection: Hashable {
  var device: Int
  var id: UInt64
}

/// What a device sends.
enum HubSimUplink {
  case connect
  case getTwin
  /// The reported property `n`.
  case patchReported(Int64)
  /// A delivered message is done.
  case complete(LockToken)
}

/// What the hub sends to a device.
enum HubSimDownlink {
  case connected
  case twin([UInt8])
  case desired([UInt8])
  case reportedAnswer(Int64, isDone: Bool)
  case message(CloudToDeviceMessage)
}

/// What a back end asks; the numbers rise with every try.
enum HubSimRequest: Hashable {
  case create(device: Int)
  /// A new `statusReason`.
  case update(device: Int, Int64)
  /// The desired property `n`, and a change of some other.
  case patchDesired(device: Int, Int64)
  case enqueue(device: Int, Int64)

  var device: Int {
    switch self {
    case .create(let device), .update(let device, _), .patchDesired(let device, _),
      .enqueue(let device, _):
      device
    }
  }
}
