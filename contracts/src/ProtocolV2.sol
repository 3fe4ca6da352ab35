// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Protocol} from "./Protocol.sol";

/// The next version, to be upgraded to: `migrate` is what an upgrade calls
/// along the way.
contract ProtocolV2 is Protocol {
    uint256 public limit;

    function migrate(uint256 limit_) external reinitializer(2) {
        limit = limit_;
    }

    function version() public pure override returns (string memory) {
        return "2";
    }
}
