// first code on its way
