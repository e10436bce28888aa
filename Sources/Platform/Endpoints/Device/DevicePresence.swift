/// What the hub asks of a live connection of a device, whatever protocol it speaks.
///
/// Called on the connection's event loop, through its `DeviceHandle`.
package protocol DevicePresence: AnyObject {
  /// Ends the identity's connection.
  func drop(_ reason: DropReason)
  /// Tells the device of a change of its desired properties, if it wants to know.
  func deliverDesired(version: Int64, body: [UInt8])
  /// Sends a direct method's request; false if the client does not take this method now.
  func deliverMethod(name: String, requestID: String, payload: [UInt8]) -> Bool
  /// Messages wait for the device.
  func pullCloudToDevice()
  /// Messages wait at the identity's inputs.
  func pullInputs()
}

extension DevicePresence {
  /// Most have no inputs.
  package func pullInputs() {}
}
