import HubContract
import Testing

@Suite("Error codes (contract §7.2)")
struct HubErrorCodeTests {
  @Test("the first three digits are the status, the name is the table's")
  func names() {
    #expect(HubErrorCode.all.count == 50)
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
