// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";

/// A treasury token. All of it is minted to `owner`: a council that holds money
/// by mistake must still refuse to move it.
contract Treasury is ERC20 {
    constructor(address owner, uint256 supply) ERC20("Treasury", "TSY") {
        _mint(owner, supply);
    }
}
