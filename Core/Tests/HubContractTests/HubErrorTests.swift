import HubContract
import JSONTree
import Testing

@Suite("Error codes (contract §7.2)")
struct HubErrorCodeTests {
  @Test("the first three digits are the status, the name is the table's")
  func names() {
    #expect(HubErrorCode.all.count == 66)
    #expect(HubErrorCode.deviceNotFound.name == "DeviceNotFound")
    #expect(HubErrorCode.deviceNotFound.httpStatus == 404)
    #expect(HubErrorCode.gatewayTimeout.httpStatus == 504)
    #expect("\(HubErrorCode.preconditionFailed)" == "412001 PreconditionFailed")
    #expect(HubErrorCode.headerName == "iothub-errorcode")
    for code in HubErrorCode.all {
      #expect(code.name != "ServerError" || code == .serverError)
      #expect(
        [400, 401, 403, 404, 405, 409, 412, 413, 429, 500, 503, 504].contains(code.httpStatus)
      )
    }
    #expect(HubErrorCode(rawValue: 7).httpStatus == 500)
    #expect(HubErrorCode(rawValue: 7).name == "ServerError")
  }
}

@Suite("Error bodies (contract §7.2)")
struct HubErrorBodyTests {
  private static let error = HubError(.deviceNotFound, "There is no \"d1\".")
  private static let time = Timestamp(seconds: 0)

  private static func text(_ shape: HubErrorShape) -> String {
    JSON.text(error.body(shape, trackingID: "ab12", time: time))
  }

  @Test("the three shapes")
  func shapes() {
    #expect(
      Self.text(.registry)
        == #"{"Message":"ErrorCode:DeviceNotFound;There is no \"d1\".","ExceptionMessage":"#
        + #""Tracking ID:ab12-G:0-TimeStamp:1970-01-01T00:00:00.0000000Z"}"#
    )
    #expect(
      Self.text(.module)
        == #"{"errorCode":404001,"message":"There is no \"d1\".","trackingId":"ab12","#
        + #""timestampUtc":"1970-01-01T00:00:00.0000000Z"}"#
    )
  }

  @Test("the method shape holds the other as a string")
  func nested() throws {
    let outer = Self.error.body(.method, trackingID: "ab12", time: Self.time)
    #expect(outer["ExceptionMessage"] == "")
    let inner = try JSON.parse(#require(outer["Message"]?.stringValue))
    #expect(inner["errorCode"] == 404001 && inner["info"] == [:])
    #expect(inner["message"]?.stringValue == Self.error.message)
    #expect(inner["trackingId"] == "ab12" && inner["timestampUtc"] != nil)
  }
}
